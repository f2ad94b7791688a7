#!/bin/sh
# Runs tests that are built with the tag afalg in a virtual machine whose kernel
# has AF_ALG, under emulation: it shows that the bytes are right, and nothing
# about speed. It needs qemu-system-x86_64, a static busybox, cpio (busybox's
# will do) and Debian's package of a kernel:
#
#   internal/kernelaead/guest.sh [KERNEL [PACKAGE ...]]
#
# KERNEL is a folder with that package unpacked (dpkg-deb -x). Without one, or
# with "", the package that linux-image-amd64 depends on is fetched by apt-get.
#
# It exits with 0 if all tests passed in the guest.
set -eu
kernel=${1:-}
[ $# = 0 ] || shift
packages=${*:-internal/kernelaead chunker envelope}
# Not for the guest: tests of files of the repository, and those that seal under
# random nonces as well, which builds with the tag refuse.
skip='Vector|Fuzz|Readme|Document|Schema|Random|Example|FIPS|Alloc|LibraryPage|Dependencies|UsesEndForEver|Commitment'
skip="$skip|SealLayout|CopiedSealer|NoIVTwice/random|^TestOpen\$|KeysKeepNoReference|SealOverlap"
skip="$skip|^TestBlocks\$/./1048576" # the kernel takes no chunk of this size
cd "$(dirname "$0")/../.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
if [ -z "$kernel" ]; then
	kernel=$dir/kernel
	mkdir "$dir/fetched"
	name=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: //p' | grep '^linux-image-[0-9]')
	echo "kernel: $name"
	(cd "$dir/fetched" && apt-get download -qq "$name" && dpkg-deb -x ./*.deb "$kernel")
fi
kernel=$(realpath "$kernel")
mkdir -p "$dir/root/bin" "$dir/root/proc" "$dir/root/dev" "$dir/root/sys" "$dir/root/tmp" "$dir/root/modules"
for package in $packages; do
	CGO_ENABLED=0 GOOS=linux GOARCH=amd64 go test -tags afalg -c -o "$dir/root/bin/$(basename $package).test" ./$package
done
cp "$(command -v busybox)" "$dir/root/bin/busybox"
modules=$(echo "$kernel"/lib/modules/*/kernel)
# In the order in which they need each other.
for module in crypto/gf128mul crypto/ghash-generic crypto/ctr crypto/gcm crypto/af_alg crypto/algif_aead; do
	cp "$modules/$module.ko" "$dir/root/modules/"
	echo "insmod /modules/$(basename $module).ko" >> "$dir/insmod"
done
{
	echo '#!/bin/busybox sh'
	echo 'export PATH=/bin STREAMCRYPT_TEST_AFALG=1'
	echo '/bin/busybox --install -s /bin; mount -t proc proc /proc; mount -t devtmpfs dev /dev'
	cat "$dir/insmod"
	echo "skip='$skip'"
	echo 'uname -r; grep -c "gcm(aes)" /proc/crypto'
	echo 'good=yes'
	echo 'for t in /bin/*.test; do cd /tmp; echo "== $t"; $t -test.v -test.short -test.timeout 10m \
		-test.skip "$skip" > /tmp/log 2>&1 || good=no'
	echo 'grep -E "^(---|PASS|FAIL|panic)|_test[.]go:" /tmp/log; grep -E -A8 "^--- FAIL|^panic|^fatal" /tmp/log | head -60; done'
	echo 'echo "guest: all passed: $good"; poweroff -f'
} > "$dir/root/init"
chmod 755 "$dir/root/init"
cpio=cpio; command -v cpio > /dev/null || cpio='busybox cpio'
(cd "$dir/root" && find . | $cpio -o -H newc 2> /dev/null | gzip -1) > "$dir/initrd"
timeout 1200 qemu-system-x86_64 -accel tcg -cpu max -m 1024 -smp 1 -nographic -no-reboot \
	-kernel "$kernel"/boot/vmlinuz-* -initrd "$dir/initrd" \
	-append 'console=ttyS0 quiet panic=-1 random.trust_cpu=on' < /dev/null | tee "$dir/log"
grep -q 'guest: all passed: yes' "$dir/log"
