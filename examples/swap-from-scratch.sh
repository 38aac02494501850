#!/usr/bin/env bash
# From a clone to demonstrations, a trained model and 1,000 evaluated episodes. Prints how long each part took.
# Usage: examples/swap-from-scratch.sh [FOLDER] [TRAINING SEED]     (default: runs/scratch and 1)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=${1:-runs/scratch}
seed=${2:-1}
started=$SECONDS
timed() {
    local from=$SECONDS
    "${@:2}"
    echo "--- $1: $((SECONDS - from)) s"
}
timed "build" ./mimicd doctor > "/dev/null" || true
timed "demonstrations" ./mimicd experts swap --count 6000 --seed 1 --disc-margin 0.15 --pair-margin 0.3 --out "$out/demos"
timed "training" ./mimicd train swap --demos "$out/demos" --preset agreed --seed "$seed" --out "$out/swap.safetensors"
timed "1,000 episodes" ./mimicd run scenarios/swap.json --model "$out/swap.safetensors" --episodes 1000 --seed 0 --out "$out/result"
echo "--- in all: $((SECONDS - started)) s"
