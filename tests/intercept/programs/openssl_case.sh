# openssl_case: P-256 signatures in a loop (libcrypto keeps tables in its text that look
# like system calls, and its code keeps everything in vector registers), digests,
# ciphers, and a TLS session.
openssl ecparam -name prime256v1 -genkey -noout -out key && openssl ec -in key -pubout -out public 2>/dev/null
for i in $(seq $((8 * SCALE))); do
    seq 1 "$i" >message
    openssl dgst -sha256 -sign key -out signature message && openssl dgst -sha256 -verify public -signature signature message
    echo x >>message; openssl dgst -sha256 -verify public -signature signature message 2>/dev/null
done | sort | uniq -c
seq 1 100000 >data
for digest in sha1 sha256 sha512 sha3-256 blake2b512 md5; do openssl dgst -$digest data; done
for cipher in aes-256-cbc aes-128-ctr chacha20 camellia-256-cbc; do
    openssl enc -$cipher -K 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff -iv 00112233445566778899aabbccddeeff -in data 2>/dev/null | sha256sum
done
openssl req -x509 -key key -out cert -subj /CN=localhost -days 2 2>/dev/null
openssl s_server -key key -cert cert -unix sock -www >log 2>&1 &
server=$!
for i in $(seq 100); do [ -S sock ] && break; sleep 0.05; done
printf 'GET / HTTP/1.0\r\n\r\n' | timeout 20 openssl s_client -unix sock -quiet 2>/dev/null | grep -c 'HTTP/1.0 200'
kill $server; wait $server 2>/dev/null
openssl genrsa -out rsa 1024 2>/dev/null; openssl rsa -in rsa -check -noout
