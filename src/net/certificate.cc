#include "net/certificate.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <memory>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

namespace aurum::net {
namespace {

constexpr std::int64_t kDay_s = 86'400;
/// Clocks of others may be behind ours by so much.
constexpr std::int64_t kBackdated_s = 300;

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* p) const {
    Free(p);
  }
};
void free_names(GENERAL_NAMES* p) { GENERAL_NAMES_free(p); }
void free_chain(STACK_OF(X509) * p) { sk_X509_pop_free(p, X509_free); }

using Bio = std::unique_ptr<BIO, Deleter<BIO_free_all>>;
using X509Ptr = std::unique_ptr<X509, Deleter<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, Deleter<free_names>>;
using Chain = std::unique_ptr<STACK_OF(X509), Deleter<free_chain>>;
using Store = std::unique_ptr<X509_STORE, Deleter<X509_STORE_free>>;
using StoreContext = std::unique_ptr<X509_STORE_CTX, Deleter<X509_STORE_CTX_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Deleter<X509_EXTENSION_free>>;

std::string openssl_reason() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason != nullptr ? reason : "unknown error";
}

Bio reader(std::string_view text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(std::max(size, 0L))};
}

/// Instead of OpenSSL's own, which would ask on the terminal.
int no_password(char*, int, int, void*) { return 0; }

std::vector<X509Ptr> parse_all(std::string_view pem) {
  std::vector<X509Ptr> all;
  const Bio in = reader(pem);
  while (X509* one = PEM_read_bio_X509(in.get(), nullptr, no_password, nullptr))
    all.emplace_back(one);
  ERR_clear_error();
  return all;
}

Result<std::vector<X509Ptr>> parse(std::string_view pem) {
  auto all = parse_all(pem);
  if (all.empty()) return fail(Code::invalid, "holds no certificate in PEM form");
  return all;
}

Result<Key> parse_key(std::string_view pem) {
  ERR_clear_error();
  Key key(PEM_read_bio_PrivateKey(reader(pem).get(), nullptr, no_password, nullptr));
  if (key) return key;
  return fail(Code::invalid, "holds no private key that can be read: " + openssl_reason(),
              "It must be in PEM form and not encrypted.");
}

std::string name_part(X509_NAME* name, int nid) {
  const int at = X509_NAME_get_index_by_NID(name, nid, -1);
  if (at < 0) return {};
  unsigned char* text = nullptr;
  const int size =
      ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
  if (size < 0) return {};
  std::string out(reinterpret_cast<char*>(text), static_cast<std::size_t>(size));
  OPENSSL_free(text);
  return out;
}

std::string address_text(const ASN1_OCTET_STRING* address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int size = ASN1_STRING_length(address);
  const int family = size == 4 ? AF_INET : AF_INET6;
  if (size != 4 && size != 16) return {};
  if (::inet_ntop(family, ASN1_STRING_get0_data(address), text.data(), text.size()) == nullptr)
    return {};
  return text.data();
}

std::vector<std::string> names_of(X509* certificate) {
  std::vector<std::string> out;
  const Names names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_IPADD) out.push_back(address_text(name->d.iPAddress));
    if (name->type != GEN_DNS) continue;
    const auto* text = name->d.dNSName;
    out.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                     static_cast<std::size_t>(ASN1_STRING_length(text)));
  }
  std::ranges::sort(out);
  return out;
}

std::int64_t seconds_of(const ASN1_TIME* time) {
  int days = 0;
  int rest = 0;
  const std::unique_ptr<ASN1_TIME, Deleter<ASN1_TIME_free>> epoch(ASN1_TIME_set(nullptr, 0));
  if (ASN1_TIME_diff(&days, &rest, epoch.get(), time) != 1) return 0;
  return days * kDay_s + rest;
}

bool is_address(const std::string& name) {
  std::array<unsigned char, 16> bytes{};
  return ::inet_pton(AF_INET, name.c_str(), bytes.data()) == 1 ||
         ::inet_pton(AF_INET6, name.c_str(), bytes.data()) == 1;
}

Status add_extension(X509* to, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, to, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  if (extension && X509_add_ext(to, extension.get(), -1) == 1) return {};
  return fail(Code::invalid,
              fmt::format("a certificate can not say '{}': {}", value, openssl_reason()));
}

Status add_extensions(X509* to, X509* issuer, const CertificateWish& wish, bool authority) {
  std::vector<std::pair<int, std::string>> wanted = {
      {NID_basic_constraints, authority ? "critical,CA:TRUE" : "critical,CA:FALSE"},
      {NID_key_usage, authority ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature"},
      {NID_subject_key_identifier, "hash"}};
  if (!authority) {
    wanted.emplace_back(NID_authority_key_identifier, "keyid");
    wanted.emplace_back(NID_ext_key_usage, wish.server && wish.client ? "serverAuth,clientAuth"
                                           : wish.server              ? "serverAuth"
                                                                      : "clientAuth");
  }
  std::string names;
  for (const auto& name : wish.names)
    names +=
        fmt::format("{}{}:{}", names.empty() ? "" : ",", is_address(name) ? "IP" : "DNS", name);
  if (!names.empty()) wanted.emplace_back(NID_subject_alt_name, names);
  for (const auto& [nid, value] : wanted)
    if (auto added = add_extension(to, issuer, nid, value); !added) return added;
  return {};
}

bool add_name(X509_NAME* name, const char* field, const std::string& value) {
  return value.empty() ||
         X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(value.c_str()), -1, -1,
                                    0) == 1;
}

bool set_serial(X509* certificate) {
  std::array<unsigned char, 16> bytes{};
  if (RAND_bytes(bytes.data(), bytes.size()) != 1) return false;
  bytes[0] &= 0x7FU;  // positive (RFC 5280, 4.1.2.2)
  const std::unique_ptr<BIGNUM, Deleter<BN_free>> number(
      BN_bin2bn(bytes.data(), bytes.size(), nullptr));
  return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

/// Signed by `issuer`, or by itself when that is null.
Result<std::string> sign(const CertificateWish& wish, EVP_PKEY* key, X509* issuer,
                         EVP_PKEY* issuer_key, WallTime now) {
  const X509Ptr made(X509_new());
  X509* x = made.get();
  X509_NAME* name = X509_get_subject_name(x);
  const auto now_s = static_cast<std::time_t>(now.us / 1'000'000);
  const bool filled = X509_set_version(x, 2) == 1 && set_serial(x) &&
                      ASN1_TIME_set(X509_getm_notBefore(x), now_s - kBackdated_s) != nullptr &&
                      ASN1_TIME_set(X509_getm_notAfter(x), now_s + wish.days * kDay_s) != nullptr &&
                      X509_set_pubkey(x, key) == 1 && add_name(name, "O", wish.organization) &&
                      add_name(name, "CN", wish.common_name) &&
                      X509_set_issuer_name(x, X509_get_subject_name(issuer ? issuer : x)) == 1;
  if (!filled)
    return fail(Code::invalid, fmt::format("cannot make a certificate for '{}': {}",
                                           wish.common_name, openssl_reason()));
  auto extended = add_extensions(x, issuer != nullptr ? issuer : x, wish, issuer == nullptr);
  if (!extended) return fail(extended.error());
  const Bio out(BIO_new(BIO_s_mem()));
  if (X509_sign(x, issuer_key, EVP_sha256()) <= 0 || PEM_write_bio_X509(out.get(), x) != 1)
    return fail(Code::internal, "cannot sign a certificate: " + openssl_reason());
  return text_of(out.get());
}

}  // namespace

Result<Certificate> read_certificate(std::string_view pem) {
  const auto all = parse(pem);
  if (!all) return fail(all.error());
  X509* x = all->front().get();
  Certificate out;
  out.common_name = name_part(X509_get_subject_name(x), NID_commonName);
  out.organization = name_part(X509_get_subject_name(x), NID_organizationName);
  out.issuer = name_part(X509_get_issuer_name(x), NID_commonName);
  out.names = names_of(x);
  out.not_before_s = seconds_of(X509_get0_notBefore(x));
  out.not_after_s = seconds_of(X509_get0_notAfter(x));
  out.authority = X509_check_ca(x) == 1;
  return out;
}

Status check_key(std::string_view certificate_pem, std::string_view key_pem) {
  const auto certificates = parse(certificate_pem);
  if (!certificates) return fail(certificates.error());
  const auto key = parse_key(key_pem);
  if (!key) return fail(key.error());
  const bool fits = X509_check_private_key(certificates->front().get(), key->get()) == 1;
  ERR_clear_error();
  if (!fits) return fail(Code::invalid, "the key does not belong to the certificate");
  return {};
}

Status check_authority(std::string_view certificate_pem, std::string_view authorities_pem) {
  auto certificates = parse(certificate_pem);
  if (!certificates) return fail(certificates.error());
  const auto authorities = parse(authorities_pem);
  if (!authorities) return fail(authorities.error().within("the authority"));
  const Store store(X509_STORE_new());
  for (const auto& authority : *authorities) X509_STORE_add_cert(store.get(), authority.get());
  const Chain others(sk_X509_new_null());
  for (std::size_t i = 1; i < certificates->size(); ++i)
    sk_X509_push(others.get(), (*certificates)[i].release());
  const StoreContext context(X509_STORE_CTX_new());
  X509_STORE_CTX_init(context.get(), store.get(), certificates->front().get(), others.get());
  X509_STORE_CTX_set_flags(context.get(), X509_V_FLAG_NO_CHECK_TIME | X509_V_FLAG_PARTIAL_CHAIN);
  const bool good = X509_verify_cert(context.get()) == 1;
  const int why = X509_STORE_CTX_get_error(context.get());
  ERR_clear_error();
  if (good) return {};
  return fail(Code::invalid,
              fmt::format("it is not of this authority: {}", X509_verify_cert_error_string(why)));
}

Result<std::string> make_key() {
  const Key key(EVP_EC_gen("P-256"));
  const Bio out(BIO_new(BIO_s_mem()));
  if (!key ||
      PEM_write_bio_PrivateKey(out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return fail(Code::internal, "cannot make a key: " + openssl_reason());
  return text_of(out.get());
}

Result<Authority> make_authority(const CertificateWish& wish, std::string key, WallTime now) {
  const auto parsed = parse_key(key);
  if (!parsed) return fail(parsed.error());
  auto certificate = sign(wish, parsed->get(), nullptr, parsed->get(), now);
  if (!certificate) return fail(certificate.error());
  return Authority{std::move(*certificate), std::move(key)};
}

Result<std::string> issue(const Authority& authority, const CertificateWish& wish,
                          std::string_view key, WallTime now) {
  const auto issuer = parse(authority.certificate);
  if (!issuer) return fail(issuer.error().within("the authority"));
  const auto issuer_key = parse_key(authority.key);
  if (!issuer_key) return fail(issuer_key.error().within("the authority"));
  const auto own_key = parse_key(key);
  if (!own_key) return fail(own_key.error());
  return sign(wish, own_key->get(), issuer->front().get(), issuer_key->get(), now);
}

}  // namespace aurum::net
