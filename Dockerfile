# Serpent on a CPU.
#   docker build -t serpent .
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/pictures" serpent deblur photo.jpg
# It has not been built where this file was written, which has no Docker daemon.

FROM python:3.13-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends g++ && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN python -m venv /serpent
# PyTorch from its own index first: the build without NVIDIA's libraries.
RUN /serpent/bin/pip install --no-cache-dir -c constraints.txt torch \
    --index-url https://download.pytorch.org/whl/cpu
RUN /serpent/bin/pip install --no-cache-dir -c constraints.txt .

FROM python:3.13-slim
COPY --from=build /serpent /serpent
# Any user may run it, also one without a home.
ENV PATH=/serpent/bin:$PATH HOME=/tmp
WORKDIR /pictures
ENTRYPOINT ["serpent"]
CMD ["--help"]
