// The disk of a primary fills up, hangs or breaks, or its checkpointer stands still, and its node
// is well otherwise: writes go on elsewhere. On a file system of the test's own, which it can hurt.
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <linux/fs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/testing/temp_dir.h"
#include "runtime/clock.h"
#include "support/cluster_test.h"

namespace aurum::tests {
namespace {

namespace fs = std::filesystem;

/// A small ext4 in a file, mounted over a folder; ends with the object, whatever holds it.
class Volume {
 public:
  explicit Volume(fs::path at) : at_(std::move(at)) {
    const auto image = (files_ / "image").string();
    std::ofstream(image).flush();
    fs::resize_file(image, 512ULL << 20U);
    command("mkfs.ext4 -q -m 0 '" + image + "'");
    command("mount -o loop '" + image + "' '" + at_.string() + "'");
    mounted_ = true;
    fs::remove(at_ / "lost+found");
  }
  ~Volume() {
    hang(false);
    if (mounted_) ::umount2(at_.c_str(), MNT_DETACH);
  }
  Volume(const Volume&) = delete;
  Volume& operator=(const Volume&) = delete;

  /// Every byte of it, in a file beside the data.
  void fill() {
    const int fd = ::open((at_ / kFiller).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    for (off_t size = 64 << 20, end = 0; size >= 4096;) {
      if (::posix_fallocate(fd, end, size) == 0)
        end += size;
      else
        size /= 2;
    }
    ::close(fd);
  }
  void make_room() { fs::remove(at_ / kFiller); }
  /// Whoever writes waits in the kernel, and can not be killed.
  void hang(bool yes) {
    if (hangs_ == yes) return;
    const int fd = ::open(at_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && ::ioctl(fd, yes ? FIFREEZE : FITHAW, 0) == 0) hangs_ = yes;
    ::close(fd);
  }
  bool hangs() const { return hangs_; }

 private:
  static constexpr const char* kFiller = "pgsql_tmp_filler";  ///< no copy takes it along

  static void command(const std::string& line) {
    if (std::system((line + " >&2").c_str()) != 0) throw std::runtime_error("failed: " + line);
  }

  fs::path at_;
  aurum::testing::TempDir files_;
  bool mounted_ = false, hangs_ = false;
};

/// One node has a volume of its own, and leads when a test begins.
class DiskFaults : public ClusterTest {
 protected:
  static constexpr std::size_t kNode = 0;

  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs the right to mount";
    // What is mounted from here on is seen by this process and what it starts.
    if (!volume_ && (::unshare(CLONE_NEWNS) != 0 ||
                     ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0))
      GTEST_SKIP() << "needs the right to mount";
    if (std::system("losetup --find >/dev/null 2>&1") != 0) GTEST_SKIP() << "needs a loop device";
    ClusterTest::SetUp();
    if (!volume_) move_to_volume();
    if (leader() != kNode) need(cluster().switchover(name(kNode)));
    wait_for("the node with the volume to lead", [&] { return leader() == kNode; });
    wait_healthy();
    wait_for_writes();
  }
  void TearDown() override {
    if (HasFailure()) volume_.reset();
    ClusterTest::TearDown();
  }
  static void TearDownTestSuite() {
    volume_.reset();
    ClusterTest::TearDownTestSuite();
  }

  static Volume& volume() { return *volume_; }

 private:
  void move_to_volume() {
    const auto& account = cluster().account();
    need(cluster().stop_node(kNode));
    need(cluster().wipe_node(kNode));
    const auto data = cluster().data_of(kNode);
    fs::create_directory(data);
    volume_ = std::make_unique<Volume>(data);
    fs::permissions(data, fs::perms::owner_all);
    if (account.drop) ASSERT_EQ(::chown(data.c_str(), account.uid, account.gid), 0);
    need(cluster().start_node(kNode));
    wait_healthy();
  }

  static std::unique_ptr<Volume> volume_;
};
std::unique_ptr<Volume> DiskFaults::volume_;

// PostgreSQL may go on for a while, refuse one statement after the other, or end in a PANIC over
// its WAL: leadership goes in each case, and does not come back while there is no room.
TEST_F(DiskFaults, a_full_disk_costs_the_lock_and_no_row) {
  volume().fill();
  other_leader(kNode, seconds(40));
  wait_for_writes();
  volume().make_room();
  settle_and_judge(Loss::before_takeover);
}

// Not even a kill ends whoever waits for it. The fence and the guard see to it that what wakes up
// acknowledges nothing.
TEST_F(DiskFaults, a_hung_disk_costs_the_lock_and_no_row) {
  const auto server = cluster().postmaster(kNode);
  volume().hang(true);
  ASSERT_TRUE(volume().hangs());
  other_leader(kNode, seconds(40));
  wait_for_writes();
  volume().hang(false);
  settle_and_judge(Loss::before_takeover);
  EXPECT_NE(cluster().postmaster(kNode), server);
}

// It answers queries and commits: until there is no room for WAL, which may be hours away. Nobody
// waits for that.
TEST_F(DiskFaults, a_stopped_checkpointer_ends_with_its_server) {
  const auto server = cluster().postmaster(kNode);
  const auto pid = need(sql(
      cluster(), kNode, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'"));
  ASSERT_EQ(::kill(std::stoi(pid), SIGSTOP), 0);
  wait_for("the end of its server", [&] { return cluster().postmaster(kNode) != server; });
  wait_for_writes();
  settle_and_judge(Loss::before_takeover);
}

}  // namespace
}  // namespace aurum::tests
