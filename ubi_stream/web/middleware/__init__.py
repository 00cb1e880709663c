"""What happens to every request, whatever the view: one module each, outermost first."""

from ubi_stream.web.middleware.errors import errors_as_problems
from ubi_stream.web.middleware.headers import safe_headers
from ubi_stream.web.middleware.no_body import refuse_bodies
from ubi_stream.web.middleware.request_id import with_request_id

MIDDLEWARES = (with_request_id, safe_headers, errors_as_problems, refuse_bodies)

__all__ = ["MIDDLEWARES"]
