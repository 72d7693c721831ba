#include "agent/certificates.h"

#include <filesystem>
#include <sys/stat.h>

#include <fmt/format.h>

#include "model/config_sources.h"
#include "net/certificate.h"

namespace aurum::agent {

namespace fs = std::filesystem;

namespace {

using Use = CertificateUse;

/// Another text when the file is another one, or was written anew.
std::string stamp(const fs::path& file) {
  struct stat info{};
  if (file.empty() || ::stat(file.c_str(), &info) != 0) return "-";
  return fmt::format("{}:{}:{}.{}", info.st_ino, info.st_size, info.st_mtim.tv_sec,
                     info.st_mtim.tv_nsec);
}

}  // namespace

std::set<Use> Certificates::look(const model::LocalConfig& config,
                                 const model::DynamicConfig& dynamic) {
  std::set<Use> changed;
  std::map<Use, std::string> stamps;
  const auto all = certificate_files(config, dynamic);
  for (const auto& files : all) {
    stamps[files.use] = files.certificate.string() + stamp(files.certificate) + stamp(files.key) +
                        stamp(files.authority);
    const auto before = stamps_.find(files.use);
    if (before != stamps_.end() && before->second != stamps[files.use]) changed.insert(files.use);
  }
  if (stamps == stamps_) return changed;
  stamps_ = std::move(stamps);
  views_.clear();
  for (const auto& files : all) {
    if (files.certificate.empty()) continue;  // an authority alone
    const auto text = model::read_text_file(files.certificate);
    const auto facts =
        text ? net::read_certificate(*text) : Result<net::Certificate>(fail(text.error()));
    if (facts) views_.push_back({files.label, facts->not_after_s});
  }
  return changed;
}

}  // namespace aurum::agent
