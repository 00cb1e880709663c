FROM python:3.11.14-slim-trixie AS build
WORKDIR /build
# Dependencies first: they change less often than the code, and their layer is kept.
COPY requirements-build.lock requirements-worker.lock ./
RUN python -m venv /opt/ubi \
    && /opt/ubi/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements-worker.lock \
    && pip install --no-cache-dir --no-deps --require-hashes -r requirements-build.lock
COPY pyproject.toml README.md LICENSE ./
COPY ubi_stream ubi_stream
COPY config config
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir dist . \
    && /opt/ubi/bin/pip install --no-cache-dir --no-deps dist/*.whl \
    && /opt/ubi/bin/pip check

FROM python:3.11.14-slim-trixie
COPY --from=build /opt/ubi /opt/ubi
# A volume that is mounted there belongs to the user as well.
RUN useradd --system --uid 10001 --no-create-home ubi && install --directory --mode=700 --owner=ubi /var/lib/ubi
USER 10001
WORKDIR /tmp
ENV PATH=/opt/ubi/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    UBI_WEB_HOST=0.0.0.0
EXPOSE 8088
# Live, not ready: a worker that restores its state is healthy.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8088/health/live', timeout=2)"]
ENTRYPOINT ["ubi"]
CMD ["worker"]
