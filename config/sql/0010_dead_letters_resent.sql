-- When a dead letter was repaired and sent again: a second time it is left alone.
ALTER TABLE dead_letters ADD COLUMN resent_at timestamptz;

COMMENT ON COLUMN dead_letters.resent_at IS 'When its repaired event was acknowledged by Kafka';
