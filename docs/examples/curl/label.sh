#!/bin/sh
# Says whether an insight was right; the models learn it: sh label.sh USER_ID INSIGHT_ID confirmed|false_positive [ADDRESS]
set -eu

user_id=$1 insight_id=$2 label=$3 address=${4:-http://127.0.0.1:8088}

# With an Idempotency-Key of your own, the same request can be sent again: it is the same label.
curl --silent --show-error --fail-with-body "$address/api/v1/labels" \
  --header "Content-Type: application/json" \
  --header "Idempotency-Key: $insight_id-$label" \
  --data "{\"user_id\": \"$user_id\", \"insight_id\": \"$insight_id\", \"label\": \"$label\"}"
echo
