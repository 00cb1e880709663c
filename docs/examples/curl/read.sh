#!/bin/sh
# Reads what a worker noticed, and what it knows of one user: sh read.sh [ADDRESS] [USER_ID]
set -eu

address=${1:-http://127.0.0.1:8088}
user_id=${2:-u-1}

# The newest insights about anybody; also kind=, severity=, user_id=, from=, to=, cursor=: docs/api.md.
curl --silent --show-error --fail-with-body "$address/api/v1/insights?limit=3"
echo
# All that is known of one user, and the insights about them. Ids in a path are percent-encoded.
curl --silent --show-error --fail-with-body "$address/api/v1/users/$user_id"
echo
curl --silent --show-error --fail-with-body "$address/api/v1/users/$user_id/insights?limit=3"
echo
