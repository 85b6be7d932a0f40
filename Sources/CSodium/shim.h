#include <sodium/crypto_generichash_blake2b.h>
#include <sodium/crypto_sign_ed25519.h>

/* Swift takes no type that begins at a multiple of 64. */
enum { thimble_blake2b_state_byte_count = sizeof(crypto_generichash_blake2b_state) };
