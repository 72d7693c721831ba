#include "stack/scratch.h"

#include <cstdio>
#include <sstream>
#include <stdlib.h>
#include <unistd.h>

#include <fmt/format.h>

namespace aurum::stack {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kPrefix = "aurum-scratch-";

/// "aurum-scratch-PID-START-xxxxxx": who made it, so that a later run knows whether that one still
/// lives.
std::string name_of(ProcessId owner) {
  return fmt::format("{}{}-{}-", kPrefix, owner.pid, owner.start);
}

}  // namespace

void sweep_scratches() {
  std::error_code ec;
  for (fs::directory_iterator it(fs::temp_directory_path(ec), ec), end; !ec && it != end;
       it.increment(ec)) {
    const std::string name = it->path().filename();
    if (!name.starts_with(kPrefix)) continue;
    ProcessId owner;
    if (std::sscanf(name.c_str() + kPrefix.size(), "%d-%lu-", &owner.pid, &owner.start) != 2)
      continue;
    if (alive(owner) || std::getenv("AURUM_KEEP") != nullptr) continue;
    auto cluster = Cluster::open(it->path());
    if (cluster) {
      cluster->kill_everything();
      cluster->remove_run_dirs();
    }
    std::error_code gone;
    fs::remove_all(it->path(), gone);
  }
}

Result<std::unique_ptr<Scratch>> Scratch::make(int nodes, int etcds) {
  sweep_scratches();
  const auto me = inspect(::getpid());
  std::string dir =
      (fs::temp_directory_path() / (name_of(me ? me->id : ProcessId{}) + "XXXXXX")).string();
  if (::mkdtemp(dir.data()) == nullptr)
    return fail(Code::io, fmt::format("cannot make a folder {}", dir));
  auto plan = free_port_plan(dir, nodes, etcds);
  if (!plan) return fail(plan.error());
  return std::unique_ptr<Scratch>(new Scratch(std::move(*plan)));
}

Scratch::~Scratch() {
  if (cluster_) {
    cluster_->kill_everything();
    cluster_->remove_run_dirs();
  }
  if (std::getenv("AURUM_KEEP") != nullptr) {
    std::fprintf(stderr, "kept: %s\n", plan_.dir.c_str());
    return;
  }
  std::error_code ec;
  fs::remove_all(plan_.dir, ec);
}

Status Scratch::create() {
  auto cluster = Cluster::create(plan_);
  if (!cluster) return fail(cluster.error());
  cluster_ = std::make_unique<Cluster>(std::move(*cluster));
  plan_ = cluster_->plan();
  return cluster_->prepare();
}

Status Scratch::start(Duration timeout) {
  if (!cluster_) {
    auto made = create();
    if (!made) return made;
  }
  for (std::size_t i = 0; i < plan_.etcds.size(); ++i) {
    auto started = cluster_->start_etcd(i);
    if (!started) return started;
  }
  auto healthy = cluster_->wait_etcd_healthy(timeout);
  if (!healthy) return healthy;
  for (std::size_t i = 0; i < plan_.nodes.size(); ++i) {
    auto started = cluster_->start_node(i);
    if (!started) return started;
  }
  if (auto started = cluster_->start_doors(); !started) return started;
  healthy = cluster_->wait_healthy(timeout);
  return healthy ? cluster_->open_lookup() : healthy;
}

}  // namespace aurum::stack
