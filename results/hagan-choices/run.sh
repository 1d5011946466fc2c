#!/bin/sh
# Trains HAGAN once for each of its open choices, over both data sets and three seeds, and prints the tables.
#
#     sh results/hagan-choices/run.sh DATA [--jobs 2 ...]
#
# DATA holds the folders covid-ct and acdc; what follows goes to `bench grid`. With fewer patients than ACDC's 100
# name as many epochs as make 2,000 steps: --set does so for both sets, so run it for each by --datasets:
#
#     sh results/hagan-choices/run.sh DATA --datasets acdc --set epochs=34 --set evaluate_every=34 --set warmup_epochs=17
set -eu
here=$(dirname "$0")
data=$1
shift

# Each differs from the default in what it names.
choices="
reverse_skip_sampling=mean,reverse_skip_drop=0
reverse_skip_sampling=mean,reverse_skip_drop=1
reverse_skip_sampling=off,reverse_skip_drop=0.5
reverse_skip_sampling=off,reverse_skip_drop=0
reverse_skip_sampling=off,reverse_skip_drop=1
pixel_branch=separate
mixing=augmented
"
default=reverse_skip_sampling=mean,reverse_skip_drop=0.5,pixel_branch=lateral,mixing=plain

for choice in $default $choices; do
    settings=$(echo "$choice" | tr ',' '\n' | sed 's/^/--set /')
    # shellcheck disable=SC2086
    bench grid "$here/choices.toml" --data-root "$data" --results "$here" $settings "$@"
done
for choice in $choices; do
    echo "## $choice"
    bench compare "hagan@$choice" "hagan@$default" --metric swd,kid_random,ms_ssim --results "$here"
done
