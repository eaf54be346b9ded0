# The page and all commands on a CPU, with the demo's models inside; other models lie in the volume.
#
#   docker build -t netflips --build-arg TORCH_INDEX=ADDRESS .                           # of PyTorch for CPUs
#   docker run --read-only --tmpfs /tmp -p 7860:7860 -v netflips:/data netflips          # its log says the address with the token
#   docker run --rm -v netflips:/data netflips models get korean-free
#   docker run --rm -v netflips:/data -v "$PWD:/work" -w /work --user "$(id -u)" netflips dub talk.mp4 --cascade
FROM python:3.11-slim

# PyTorch without CUDA, which only its own index has: its site names the address. Its files are others than those of the lock.
ARG TORCH=torch==2.11.0
ARG TORCH_INDEX

WORKDIR /opt/netflips
COPY requirements/dub.lock ./
RUN test -n "$TORCH_INDEX" || { echo 'give --build-arg TORCH_INDEX=ADDRESS, of PyTorch for CPUs, which its site names'; exit 2; }
RUN pip install --no-cache-dir --no-deps --index-url "$TORCH_INDEX" "$TORCH" && grep -Ev '^(torch|nvidia-.*)==' dub.lock > cpu.lock && pip install --no-cache-dir --no-deps --require-hashes -r cpu.lock

COPY pyproject.toml README.md LICENSE inference_av2av.py ./
COPY avcore avcore
COPY av2unit av2unit
COPY unit2unit unit2unit
COPY unit2av unit2av
COPY unit2text unit2text
COPY text2unit text2unit
COPY netflips netflips
COPY configs configs
COPY docs/clip docs/clip
RUN pip install --no-cache-dir --no-deps --no-build-isolation . && rm -rf /opt/netflips && useradd --uid 1000 --create-home --home-dir /data netflips

ENV HOME=/data XDG_CACHE_HOME=/data/cache OMP_WAIT_POLICY=PASSIVE
USER netflips
WORKDIR /data
VOLUME /data
EXPOSE 7860
ENTRYPOINT ["netflips"]
CMD ["serve", "--host", "0.0.0.0", "--work-dir", "/data/page"]
