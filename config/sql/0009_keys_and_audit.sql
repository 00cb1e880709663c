-- API keys: all of a key but the key itself, of which there is an HMAC.
CREATE TABLE api_keys (
    id           text        PRIMARY KEY,
    kind         text        NOT NULL CHECK (kind IN ('ingest', 'secret')),
    name         text        NOT NULL,
    hash         bytea       NOT NULL UNIQUE,
    roles        text[]      NOT NULL DEFAULT '{}',
    scopes       text[]      NOT NULL DEFAULT '{}',
    source       jsonb       NOT NULL DEFAULT '{}',
    requests     integer,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_at timestamptz,
    replaced_by  text
);

-- What the workers of an installation share without a setting: the secret that signs sessions and hops.
CREATE TABLE web_secrets (
    name       text        PRIMARY KEY,
    secret     bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Who asked for what about whom. Rows are added, and dropped by age; nobody changes one.
CREATE TABLE audit (
    at           timestamptz NOT NULL,
    actor        text        NOT NULL,
    role         text        NOT NULL,
    action       text        NOT NULL,
    route        text        NOT NULL,
    subject_hash text,
    request_id   text        NOT NULL,
    status       integer     NOT NULL
);
CREATE INDEX audit_newest ON audit (at DESC);
CREATE INDEX audit_of_actor ON audit (actor, at DESC);
CREATE INDEX audit_of_subject ON audit (subject_hash, at DESC) WHERE subject_hash IS NOT NULL;

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are not changed', TG_TABLE_NAME;
END
$$;
CREATE TRIGGER audit_is_append_only BEFORE UPDATE ON audit FOR EACH ROW EXECUTE FUNCTION refuse_change();
