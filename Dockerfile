# Serpent on a CPU.
#   docker build -t serpent .
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/pictures" serpent deblur photo.jpg
# Built by buildah on a base of Debian 12 with Python 3.11, and run as a user of no name. Not yet with
# Docker, nor on the base named below, which could not be fetched where this was written.

FROM python:3.13-slim AS build
# Any compiler that the distribution has will do.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends g++ && rm -rf /var/lib/apt/lists/*
WORKDIR /source
# PyTorch first, so that a change of our files does not fetch it again; and from its own index: the
# build without NVIDIA's libraries.
COPY constraints.txt .
RUN python -m venv /serpent && /serpent/bin/pip install --no-cache-dir -c constraints.txt torch \
    --index-url https://download.pytorch.org/whl/cpu
COPY . .
RUN /serpent/bin/pip install --no-cache-dir -c constraints.txt .

FROM python:3.13-slim
COPY --from=build /serpent /serpent
# Any user may run it, also one without a home.
ENV PATH=/serpent/bin:$PATH HOME=/tmp
WORKDIR /pictures
ENTRYPOINT ["serpent"]
CMD ["--help"]
