# The page and all commands in an image: the locked versions, without what only tests and training need.
#
#   docker build -t netflips .                                        # computes on the CPU
#   docker build -t netflips --build-arg GPU=yes .                    # with CUDA; run it with --gpus all
#   docker build -t netflips --build-arg TORCH_INDEX=https://... .    # PyTorch's own index for the CPU: 4 GB less
#
#   docker run -p 7860:7860 -v netflips:/data netflips                # the page; its log says the address with the token
#   docker run -v "$PWD:/work" -w /work --user "$(id -u):$(id -g)" netflips dub talk.mp4      # a command
FROM python:3.11-slim

ARG GPU=no
ARG TORCH_INDEX=

WORKDIR /opt/netflips
COPY requirements.lock ./
# PyTorch for CUDA, as the lock has it, starts only where NVIDIA's libraries are; for the CPU alone some of them can be left out.
RUN set -eu; \
    unwanted='absl-py|accelerate|antlr4-python3-runtime|ast-serialize|contourpy|cycler|espeakng-loader|execnet|fonttools|greenlet|grimp|grpcio|hydra-core|import-linter|iniconfig|kiwisolver|librt|markdown|matplotlib|msgpack|mypy|mypy-extensions|omegaconf|pathspec|playwright|pluggy|pyarrow|pytest|pytest-xdist|ray|ruff|tensorboard|tensorboard-data-server|types-tqdm|werkzeug'; \
    cpu='triton|nvidia-cuda-nvrtc|nvidia-nvtx|cuda-bindings|cuda-pathfinder|cuda-toolkit'; \
    if [ "$GPU" = yes ]; then cpu='-'; fi; \
    if [ -n "$TORCH_INDEX" ]; then \
        pip install --no-cache-dir --no-deps --index-url "$TORCH_INDEX" $(grep -E '^(torch|torchaudio)==' requirements.lock); \
        cpu='torch|torchaudio|triton|nvidia-[a-z0-9-]+|cuda-[a-z]+'; \
    fi; \
    grep -vE "^($unwanted|$cpu)==" requirements.lock > image.lock; \
    pip install --no-cache-dir --no-deps -r image.lock

COPY pyproject.toml README.md LICENSE inference_av2av.py ./
COPY avcore avcore
COPY avdata avdata
COPY avtrain avtrain
COPY av2unit av2unit
COPY unit2unit unit2unit
COPY unit2av unit2av
COPY unit2text unit2text
COPY text2unit text2unit
COPY netflips netflips
COPY configs configs
COPY demo demo
RUN pip install --no-cache-dir --no-deps --no-build-isolation . \
    && useradd --create-home netflips && mkdir /data && chown netflips /data

USER netflips
WORKDIR /data
VOLUME /data
EXPOSE 7860
ENTRYPOINT ["netflips"]
CMD ["serve", "--host", "0.0.0.0", "--work-dir", "/data/page"]
