# What computes cells in containers: docker build -t hagan-bench .
# The driver is the host's; torch brings its own CUDA libraries.
FROM nvidia/cuda:13.0.1-base-ubuntu24.04

RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*

RUN python3 -m venv /opt/bench
ENV PATH=/opt/bench/bin:$PATH PYTHONUNBUFFERED=1

COPY . /src
# For plugins and extras of your own, one more line such as: RUN pip install --no-cache-dir '/src[dicom,features]' my-plugin
RUN pip install --no-cache-dir /src

# A number, for Kubernetes refuses names where nobody may be root. Ubuntu's images have this user.
USER 1000:1000
WORKDIR /home/ubuntu
CMD ["bench", "--help"]
