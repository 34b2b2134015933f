#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The house rules that a machine can check: arrows between the layers, one
# doorway file a library, lengths, no stray files. Prints each offence; exit 1.
set -u
cd "$(dirname "$0")/.." || exit 2
# Also in a checkout of somebody else, which git alone would not list.
git() { command git -c safe.directory='*' "$@"; }
git ls-files >/dev/null || exit 2
bad=$(mktemp)
trap 'rm -f "$bad"' EXIT
say() { sed "s|^|tidy: $1: |" >>"$bad"; }

# node -> cluster -> proto, and nothing points back.
grep -nE '#include "(node|cluster)/' proto/*.[ch] | say 'proto includes above itself'
grep -nE '#include "node/' cluster/*.[ch] | say 'cluster includes above itself'
grep -nE '#include "tests/' proto/*.[ch] cluster/*.[ch] node/*.[ch] node/*/*.[ch] |
    say 'the program includes a test'

# What waits or knows the world stays in node/.
grep -nE '#include <(uv|time|stdio|unistd|pthread|signal|sys/[a-z]+)\.h>' \
    proto/*.[ch] cluster/*.[ch] | say 'the world in a pure layer'
grep -nwE 'float|double|rand|random' cluster/*.[ch] proto/*.[ch] |
    grep -vE '^[^:]+:[0-9]+: *(/?\*|//)' | say 'not deterministic'
grep -n '#include <uv.h>' node/door/*.[ch] node/hub/*.[ch] node/client/*.[ch] \
    node/core.[ch] node/conn/h1.[ch] node/conn/h2*.[ch] node/conn/ws.[ch] \
    node/conn/sniff.[ch] | say 'uv.h where no loop belongs'

# One doorway a library.
doorway() { # header, allowed files as a regular expression
    grep -nE "#include <$1" proto/*.[ch] cluster/*.[ch] node/*.[ch] node/*/*.[ch] |
        grep -vE "^($2):" | say "$1 outside its doorway"
}
doorway 'nng/' 'node/mesh/(push|pull)\.c'
doorway 'wslay/' 'proto/ws\.c'
doorway 'llhttp' 'proto/http1\.c'
doorway 'nghttp2/' 'proto/h2_private\.h'
doorway 'yaml\.h' 'node/config/yaml\.c'
doorway '[a-z-]*protobuf-c' 'proto/momento_wire\.h'
grep -nE '#include .*\.pb-c\.h' proto/*.[ch] cluster/*.[ch] node/*.[ch] node/*/*.[ch] |
    grep -vE '^proto/momento_[a-z]+\.c:' | say 'generated messages outside proto/momento_*.c'
doorway 'qrencode' 'node/qr\.c'
doorway 'msgpack' 'proto/mp\.c'
doorway 'sodium' 'proto/(hash|hmac|seal|token)\.c|node/(client/auth|config/keyfile)\.c'
doorway 'openssl/' 'proto/(aead|ws_key)\.c|node/conn/tls\.c'

# Lengths: 600 lines a file, 80 columns, 70 lines a function.
for f in $(git ls-files '*.c' '*.h'); do
    awk -v f="$f" '
        length($0) > 80 && !/https?:\/\// { print f ":" FNR ": over 80 columns" }
        /[ \t]$/ { print f ":" FNR ": blank at the end" }
        /\t/ { print f ":" FNR ": tab" }
        /^{$/ { start = FNR }
        /^}$/ && start && FNR - start > 71 {
            print f ":" start ": function of " FNR - start - 1 " lines" }
        /^}/ { start = 0 }
        END { if (FNR > 600) print f ": " FNR " lines: two nouns?" }' "$f"
    head -1 "$f" | grep -q 'SPDX-License-Identifier' || echo "$f: no SPDX line"
done | say length

# Every log event is documented.
for event in $(grep -hoE '(LOG_[A-Z]+,|\{) *"[a-z]+(-[a-z]+)+"|^ *"[a-z]+(-[a-z]+)+",$' \
    node/*.c node/config/*.c node/conn/*.c node/client/*.c node/hub/*.c \
    node/mesh/*.c node/watch/*.c |
    grep -oE '[a-z]+(-[a-z]+)+'); do
    grep -q "\`$event\`" docs/OPERATIONS.md || echo "$event"
done | say 'log event missing in docs/OPERATIONS.md'

# A test that CTest does not know never runs.
for f in $(git ls-files 'tests/e2e/*.test.mjs' 'tests/browser/*.test.mjs'); do
    name=$(basename "$f" .test.mjs)
    grep -qE "^ +$name$|^foreach.*\<$name\>" CMakeLists.txt || echo "$f"
done | say 'test missing in CMakeLists.txt'

# The top level is the house and nothing else.
git ls-files | cut -d/ -f1 | sort -u |
    grep -vxE '\..*|CMakeLists.txt|README.md|node|cluster|proto|tests|deploy|docs' |
    say 'does not belong on the top level'

if [ -s "$bad" ]; then
    cat "$bad"
    exit 1
fi
echo 'tidy: ok'
