# Two images: `app` is Quaestor itself, `sandbox` is the box that untrusted code runs in.
#
#   docker build --target sandbox -t quaestor-sandbox .   (same contents as `quaestor sandbox build`)
#   docker build --target app     -t quaestor .
#
# The app never gets the engine's socket: whoever holds that socket is root on the machine. Inside a
# container run it with `--sandbox bubblewrap`, over a root tree mounted read-only.

FROM debian:bookworm-slim AS sandbox-base
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      bash ca-certificates fonts-dejavu-core git jq poppler-utils python3 ripgrep sqlite3 \
      tesseract-ocr \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /usr/share/doc /usr/share/man /var/log/*

FROM python:3.11-slim-bookworm AS wheels
COPY sandbox/image/requirements.txt /requirements.txt
RUN python -m pip install --no-cache-dir --only-binary :all: --target /wheels -r /requirements.txt \
 && rm -rf /wheels/bin \
 && python -m compileall -q -j 0 --invalidation-mode unchecked-hash \
      -s /wheels -p /usr/local/lib/python3.11/dist-packages /wheels

FROM sandbox-base AS sandbox
COPY --from=wheels /wheels /usr/local/lib/python3.11/dist-packages
RUN echo 'sandbox:x:10001:10001::/workspace:/bin/bash' >> /etc/passwd \
 && echo 'sandbox:x:10001:' >> /etc/group \
 && mkdir -p /workspace /run/sbx

FROM python:3.11-slim-bookworm AS built
RUN python -m pip install --no-cache-dir uv
COPY . /source
RUN uv build --wheel --out-dir /dist /source

FROM python:3.11-slim-bookworm AS app
RUN apt-get update \
 && apt-get install -y --no-install-recommends bubblewrap chromium \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 10002 quaestor
COPY --from=built /dist/*.whl /tmp/
RUN python -m pip install --no-cache-dir /tmp/*.whl && rm /tmp/*.whl
USER quaestor
WORKDIR /home/quaestor
ENTRYPOINT ["quaestor"]
