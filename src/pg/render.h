#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/config.h"
#include "model/postgres.h"
#include "pg/settings.h"

/// The texts of the configuration files (PATRONI_COMPAT §7.2) and of the postmaster's command line.
/// Pure.
namespace aurum::pg {

/// name = 'value' with ' and \ doubled.
std::string conf_line(std::string_view name, std::string_view value);

struct ConfPaths {
  std::string base_file;  ///< what is included first: postgresql.base.conf, or custom_conf
  std::string hba_file, ident_file;
};

/// The recovery part: what a standby follows and how. A primary has the same without an upstream: a
/// setting that comes or goes when a running standby is promoted would need a restart
/// (recovery_target* always, restore_command on PostgreSQL 13), and pg_rewind wants the
/// restore_command of a former primary.
Settings recovery_settings(const model::LocalConfig& config, const model::DynamicConfig& dynamic,
                           const model::PgTarget& target, const std::string& passfile, int major);

/// What a recovery to a point needs beside them, for the command line: so it is gone with the
/// server that it was for, and no later reload finds a setting changed that would need a restart.
Settings recovery_arguments(const model::PgTarget& target);

/// The recovery part of the first start after a custom bootstrap method: its `recovery_conf`, as it
/// is. Nothing with keep_existing_recovery_conf: what the method left in the files counts.
Settings bootstrap_recovery_settings(const model::BootstrapConfig& bootstrap);
/// Whether what the method made is to be recovered before it is a primary: then it gets a
/// recovery.signal.
bool bootstrap_recovers(const model::BootstrapConfig& bootstrap);
bool keeps_recovery_conf(const model::BootstrapConfig& bootstrap);

/// pg_hba.conf for the time in which a restored cluster still has the passwords of another one: the
/// superuser may come in from this very host. Given such a text, without_open_door() is what it was
/// made of.
std::string with_open_door(std::string_view hba, const std::string& superuser);
std::string without_open_door(std::string_view hba);

/// All of postgresql.conf.
std::string render_postgresql_conf(const WantedSettings& wanted, const ConfPaths& paths,
                                   const Settings& recovery);

/// argv behind the program: -D DIR --config-file=FILE --name=value …
std::vector<std::string> postmaster_arguments(const std::string& data_dir,
                                              const std::string& config_file,
                                              const WantedSettings& wanted);

/// postgresql.pg_hba or pg_ident: the local list, else the dynamic one; unset when neither is
/// there, and then the file is left as it is.
std::optional<std::string> render_lines(const model::Value& local, const model::Value* dynamic);

/// What is appended to initdb's pg_hba.conf: bootstrap.pg_hba, or lines that let members replicate
/// and rewind.
std::string bootstrap_hba(const model::LocalConfig& config);

/// postgresql.auto.conf without recovery settings, which would override ours; unset when there are
/// none.
std::optional<std::string> without_recovery_settings(std::string_view auto_conf);

/// "copied 120 MB of 1.1 GB (11 %)" from a progress line of pg_basebackup ("  122880/1153434 kB
/// (10%), …"); unset for any other line.
std::optional<std::string> copy_progress(std::string_view line);
std::string human_bytes(double bytes);

/// Options of a list (["data-checksums", {encoding: UTF8}]) or map as "--name=value" and "--name".
/// A name of `forbidden` is left out and named in `refused`. false leaves an option out, true and
/// null give the bare name.
std::vector<std::string> long_options(const model::Value& options,
                                      std::initializer_list<std::string_view> forbidden,
                                      std::vector<std::string>* refused = nullptr);

}  // namespace aurum::pg
