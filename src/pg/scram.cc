#include "pg/scram.h"

#include <array>
#include <charconv>
#include <optional>
#include <vector>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "base/ensure.h"

namespace aurum::pg {

namespace {

using Key = std::array<unsigned char, SHA256_DIGEST_LENGTH>;

constexpr std::string_view kScram = "SCRAM-SHA-256$", kMd5 = "md5";
/// PostgreSQL's own number of iterations. A secret that asks for far more is not one of its.
constexpr int kIterations = 4096, kIterationsMax = 1'000'000;

const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

Key salted(std::string_view password, std::string_view salt, int iterations) {
  Key out{};
  const int done = ::PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()),
                                       bytes(salt), static_cast<int>(salt.size()), iterations,
                                       ::EVP_sha256(), static_cast<int>(out.size()), out.data());
  ensure(done == 1, "OpenSSL derives a key with SHA-256");
  return out;
}

/// StoredKey of RFC 5802: what the server keeps to recognise the password by.
Key stored_key(std::string_view password, std::string_view salt, int iterations) {
  const Key secret = salted(password, salt, iterations);
  constexpr std::string_view kWord = "Client Key";
  Key client{}, stored{};
  unsigned length = 0;
  const auto* made = ::HMAC(::EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
                            bytes(kWord), kWord.size(), client.data(), &length);
  ensure(made != nullptr && length == client.size(), "OpenSSL signs with SHA-256");
  ::SHA256(client.data(), client.size(), stored.data());
  return stored;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0) return std::nullopt;
  std::vector<unsigned char> out(text.size() / 4 * 3);
  const int length = ::EVP_DecodeBlock(out.data(), bytes(text), static_cast<int>(text.size()));
  if (length < 0) return std::nullopt;
  const auto padding = text.ends_with("==") ? 2u : text.ends_with('=') ? 1u : 0u;
  return std::string(out.begin(), out.begin() + length - padding);
}

std::string hexadecimal(const unsigned char* data, std::size_t size) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < size; ++i) {
    out += kDigits[data[i] >> 4];
    out += kDigits[data[i] & 15];
  }
  return out;
}

/// `text` is "4096:SALT$STOREDKEY:SERVERKEY".
bool takes_scram(std::string_view text, std::string_view password) {
  int iterations = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), iterations);
  if (ec != std::errc() || iterations < 1 || iterations > kIterationsMax) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  const auto keys = text.find('$');
  if (!text.starts_with(':') || keys == std::string_view::npos) return false;
  const auto salt = from_base64(text.substr(1, keys - 1));
  text.remove_prefix(keys + 1);
  const auto stored = from_base64(text.substr(0, text.find(':')));
  if (!salt || !stored || stored->size() != SHA256_DIGEST_LENGTH) return false;
  const Key own = stored_key(password, *salt, iterations);
  return ::CRYPTO_memcmp(own.data(), stored->data(), own.size()) == 0;
}

bool takes_md5(std::string_view digest, std::string_view role, std::string_view password) {
  const std::string text = std::string(password).append(role);
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned length = 0;
  // Fails where the machine forbids md5: then the server could not use it either.
  if (::EVP_Digest(text.data(), text.size(), out.data(), &length, ::EVP_md5(), nullptr) != 1)
    return false;
  return hexadecimal(out.data(), length) == digest;
}

}  // namespace

bool takes_password(std::string_view secret, std::string_view role, std::string_view password) {
  if (secret.starts_with(kScram)) return takes_scram(secret.substr(kScram.size()), password);
  if (secret.starts_with(kMd5)) return takes_md5(secret.substr(kMd5.size()), role, password);
  return false;
}

std::string password_fingerprint(std::string_view password, std::string_view salt) {
  const Key key = salted(password, salt, kIterations);
  return hexadecimal(key.data(), key.size() / 2);
}

}  // namespace aurum::pg
