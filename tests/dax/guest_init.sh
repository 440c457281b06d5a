#!/bin/busybox sh
# guest_init.sh: init of the machine under test (guest.sh). The kernel's command line says what it does:
#
#   stage=STAGE medium=files|device [dax=always|never] [ext4=new] [keep=yes] [rows=N rounds=N]   (returned before the cut)
/bin/busybox --install -s /bin
export PATH=/usr/sbin:/sbin:/usr/bin:/bin LC_ALL=C HOME=/tmp
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/shm /m
mount -t tmpfs shm /dev/shm
mount -t tmpfs tmp /tmp
exec >/dev/console 2>&1 </dev/null
echo "guest: up"
for module in libnvdimm nfit nd_btt nd_pmem dax_pmem device_dax; do
    insmod /modules/$module.ko
done
for word in $(cat /proc/cmdline); do
    case $word in stage=* | medium=* | dax=* | ext4=* | keep=* | rows=* | rounds=*) eval "$word" ;; esac
done
. /tests/guest_stages.sh
if "stage_$stage"; then
    echo "PASSED $stage on $medium"
else
    echo "FAILED $stage on $medium"
fi
sync
poweroff -f
