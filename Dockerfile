# Build, for CPUs (the default):
#         docker build --build-arg VERSION=0.1.0 -t fetalt2prep .
# For NVIDIA GPUs, several gigabytes larger (run it with --gpus all), with the index of PyTorch's builds for your CUDA,
# and a base with CUDA's libraries if you want them from there; it must hold Python 3.11 to 3.13 as "python":
#         docker build --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu126 -t fetalt2prep:cuda .
ARG BASE=python:3.12-slim-bookworm

FROM ${BASE} AS build
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python -m venv /opt/fetalt2prep
COPY constraints.txt ./
# torch first, pinned, and in a layer of its own: it is most of the image and changes least.
RUN /opt/fetalt2prep/bin/pip install ${TORCH_INDEX:+--index-url "${TORCH_INDEX}"} --constraint constraints.txt torch
COPY pyproject.toml README.md LICENSE ./
COPY fetalt2prep fetalt2prep
COPY bids_app bids_app
# Headers, static libraries and tests of the packages are of no use at run time, nor is the installer.
RUN /opt/fetalt2prep/bin/pip install --constraint constraints.txt '.[container]' \
 && /opt/fetalt2prep/bin/pip uninstall --yes pip \
 && find /opt/fetalt2prep -depth \( -name '*.a' -o -name '*.h' -o -name '*.hpp' -o -name '*.cuh' -o -name '*.pyc' \
      -o -path '*/site-packages/*/tests' -o -path '*/site-packages/torch/include' \
      -o -path '*/site-packages/torch/test' -o -path '*/site-packages/torch/bin/protoc*' \) -exec rm -rf {} +

FROM ${BASE}
# The interpreter's own installer is of no use at run time. Any uid may run the container, known to /etc/passwd or not;
# root and home may be read-only, as long as /tmp is not. TEMPLATEFLOW_HOME is not set here: the app always points it at
# the stub among its own files.
RUN if python -m pip --version >/dev/null 2>&1; then python -m pip uninstall --yes pip; fi \
 && mkdir -p /home/fetalt2prep \
 && chmod 0777 /home/fetalt2prep
COPY --from=build /opt/fetalt2prep /opt/fetalt2prep
ENV PATH=/opt/fetalt2prep/bin:$PATH \
    HOME=/home/fetalt2prep \
    USER=fetalt2prep \
    LOGNAME=fetalt2prep \
    LANG=C.UTF-8 \
    PYTHONNOUSERSITE=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    NO_ET=1 \
    NIPYPE_NO_ET=1 \
    MPLBACKEND=Agg \
    OMP_NUM_THREADS=1 \
    MKL_NUM_THREADS=1
WORKDIR /tmp
ENTRYPOINT ["/opt/fetalt2prep/bin/fetalt2prep"]

ARG VERSION=""
ARG VCS_REF=""
ARG BUILD_DATE=""
# Goes into dataset_description.json of what the container computes: fetalt2prep:<VERSION>.
ENV FETALT2PREP_DOCKER_TAG="fetalt2prep${VERSION:+:${VERSION}}"
LABEL org.opencontainers.image.title="fetalt2prep" \
      org.opencontainers.image.description="T2 maps from multi-echo-time fetal brain MRI (BIDS App); research use only" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${VCS_REF}" \
      org.opencontainers.image.created="${BUILD_DATE}"
