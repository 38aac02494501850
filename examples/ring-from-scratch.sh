#!/usr/bin/env bash
# From a clone to one network for rings of any size: demonstrations of 2 to 8 agents, a trained model, and episodes of 2 to 512 agents. Prints how long each part took.
# Usage: examples/ring-from-scratch.sh [FOLDER] [TRAINING SEED]     (default: runs/ring and 1)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=${1:-runs/ring}
seed=${2:-1}
started=$SECONDS
timed() {
    local from=$SECONDS
    "${@:2}"
    echo "--- $1: $((SECONDS - from)) s"
}
demos=()
# experts AGENTS COUNT NAME OPTION...
experts() {
    ./mimicd experts ring --agents "$1" --count "$2" --seed "$1" --pace 1.45 --out "$out/demos/$3" "${@:4}" > /dev/null
    demos+=(--demos "$out/demos/$3")
}
all_experts() {
    # A few agents on circles of several sizes.
    experts 2 300 n2-r3 --radius 3 --spread 0.3 --pair-margin 0.1
    experts 2 800 n2-r6 --radius 6 --spread 0.25 --pair-margin 0.1
    experts 3 150 n3-r2 --radius 2 --spread 0.25 --pair-margin 0.1
    experts 3 250 n3-r6 --radius 6 --spread 0.25 --pair-margin 0.1
    experts 4 150 n4-r1.5 --radius 1.5 --spread 0.2 --pair-margin 0.1
    experts 4 200 n4-r6 --radius 6 --spread 0.25 --pair-margin 0.1
    experts 5 100 n5-r6 --radius 6 --spread 0.25 --pair-margin 0.1
    # Full circles of six to eight, round an island as large as they need to be all on one roundabout.
    experts 6 80 n6-p6-r1.2 --places 6 --radius 1.2 --spread 0.15 --island 0.74
    experts 6 60 n6-p6-r6 --places 6 --radius 6 --spread 0.25 --island 0.74
    experts 7 80 n7-p7-r1.3 --places 7 --radius 1.3 --spread 0.15 --island 0.85
    # Eight neighbours of a larger circle, round an island as large as the roundabout of its whole crowd.
    experts 8 60 n8-p128-r20.4 --places 128 --radius 20.4 --spread 0.1 --island 15.4
    experts 8 80 n8-p16-r6 --places 16 --radius 6 --spread 0.25 --island 1.95
    experts 8 100 n8-p20-r3.2 --places 20 --radius 3.2 --spread 0.12 --island 2.42
    experts 8 100 n8-p32-r6 --places 32 --radius 6 --spread 0.15 --island 3.85
    experts 8 120 n8-p64-r10.2 --places 64 --radius 10.2 --spread 0.1 --island 7.7
    experts 8 60 n8-p64-r12 --places 64 --radius 12 --spread 0.15 --island 8.4
    experts 8 60 n8-p64-r9 --places 64 --radius 9 --spread 0.06 --island 7.75
    experts 8 120 n8-p8-r1.35 --places 8 --radius 1.35 --spread 0.12 --island 0.95
    experts 8 80 n8-p8-r2 --places 8 --radius 2 --spread 0.25 --island 0.95
    experts 8 80 n8-p8-r6 --places 8 --radius 6 --spread 0.25 --island 0.95
}
timed "build" ./mimicd doctor > "/dev/null" || true
timed "demonstrations" all_experts
timed "training" ./mimicd train ring "${demos[@]}" --preset ring --seed "$seed" --threads 1 --out "$out/ring.safetensors"
for agents in 2 4 8 16 64 256 512; do
    timed "$agents agents" ./mimicd run scenarios/ring.json --model "$out/ring.safetensors" --agents "$agents" --episodes $((1024 / agents)) --seed 0 --out "$out/$agents"
done
echo "--- in all: $((SECONDS - started)) s"
