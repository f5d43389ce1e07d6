#!/bin/bash
# Build the Dockerfile and run the app in the image, without Docker: run.sh [FOLDER]. Needs root and Debian.
#
# A base with Python is made with debootstrap, the Dockerfile is built with buildah, and the participant and group levels
# run inside: offline, as a uid that nobody knows, with read-only input and a home that cannot be written.
# BUILD_ARGS holds more arguments of "buildah build", e.g. volumes with wheels, or TORCH_INDEX for CPU builds of torch.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
folder=$(realpath -m "${1:-$(mktemp -d)}")
image=localhost/fetalt2prep:test
max_bytes=2500000000
read -ra more <<<"${BUILD_ARGS:-}"
export BUILDAH_ISOLATION=chroot
mkdir -p "$folder"

missing=()
for pair in buildah:buildah debootstrap:debootstrap; do
  command -v "${pair%:*}" >/dev/null || missing+=("${pair#*:}")
done
if [ ${#missing[@]} -gt 0 ]; then
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
fi

if ! buildah inspect --type image localhost/python-base >/dev/null 2>&1; then
  debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$folder/base" \
    "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" >"$folder/debootstrap.log"
  ln -sf python3 "$folder/base/usr/bin/python"
  rm -rf "$folder"/base/var/cache/apt/archives/*.deb "$folder"/base/var/lib/apt/lists/*
  container=$(buildah from scratch)
  buildah copy --quiet "$container" "$folder/base" / >/dev/null
  buildah commit --quiet --rm "$container" localhost/python-base >/dev/null
  rm -rf "$folder/base"
fi

buildah build --quiet --layers --build-arg BASE=localhost/python-base --build-arg VERSION=test "${more[@]}" -t "$image" .
size=$(buildah inspect --type image --format '{{.OCIv1.Config.Labels}}' "$image" >/dev/null &&
  buildah images --json "$image" | python3 -c 'import json,sys; print(json.load(sys.stdin)[0]["size"])')
echo "size of the image: $size"

container=$(buildah from "$image")
trap 'buildah rm "$container" >/dev/null' EXIT
mkdir -p "$folder/bids" "$folder/out" "$folder/work"
chmod 0777 "$folder/bids" "$folder/out" "$folder/work"
inside() {  # inside COMMAND...: offline, as an unknown uid, with a home that cannot be written
  unshare --net buildah run --user 4242:4242 --env HOME=/opt \
    -v "$folder/bids:/bids:${access:-ro}" -v "$folder/out:/out" -v "$folder/work:/scratch" "$container" -- "$@"
}
entrypoint=$(buildah inspect --format '{{index .OCIv1.Config.Entrypoint 0}}' "$image")
bytes=$(inside /bin/sh -c 'du -xsb / 2>/dev/null | cut -f1')
echo "bytes of all files in it: $bytes"
[ "$bytes" -le "$max_bytes" ] || { echo "larger than $max_bytes" >&2; exit 1; }
for tool in pip gcc cc make; do
  if inside /bin/sh -c "command -v $tool" 2>/dev/null; then echo "$tool is left in the image" >&2; exit 1; fi
done

access=rw inside /opt/fetalt2prep/bin/fetalt2 simulate /bids >/dev/null
inside "$entrypoint" /bids /out participant -d masks=/bids/derivatives/masks -w /scratch --device cpu ${APP_ARGS:-}
inside "$entrypoint" /bids /out group
map=$(find "$folder/out" -name '*_rec-inr_T2map.nii.gz')
[ -s "$map" ] && [ -s "$folder/out/group.html" ]
[ "$(stat -c %u "$map")" = 4242 ]
grep -q '"Tag": "fetalt2prep:test"' "$folder/out/dataset_description.json"

# A file that was cut off: named, and exit code 1.
stack=$(find "$folder/bids" -name '*acq-ax*echo-1_T2w.nii.gz' | head -1)
truncate -s 2000 "$stack"
code=0
inside "$entrypoint" /bids /out participant -d masks=/bids/derivatives/masks -w /scratch --device cpu --sloppy \
  >"$folder/bad.log" 2>&1 || code=$?
[ "$code" = 1 ] && grep -q "stack not used: $(basename "$stack")" "$folder/bad.log"
if grep -q Traceback "$folder/bad.log"; then echo "a traceback reached the terminal" >&2; exit 1; fi
echo "The container works. Results: $folder/out"
