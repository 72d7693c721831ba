#include "cli/options.h"

namespace aurum::cli {

namespace {

const std::vector<std::string_view> kRoles = {"leader",  "primary", "standby-leader", "replica",
                                              "standby", "any",     "master"};
const std::vector<std::string_view> kFormats = {"pretty", "tsv", "json", "yaml", "yml", "topology"};

OptionSpec group_option() { return {"--group", "INTEGER", "Citus group", &Options::group}; }
OptionSpec force_option() {
  return {"--force", "", "Do not ask for confirmation at any point", &Options::force};
}
OptionSpec role_option(std::string_view text) {
  return {"-r,--role", "ROLE", text, &Options::role, kRoles};
}
OptionSpec format_option() {
  return {"-f,--format", "FORMAT", "Output format (pretty, tsv, json, yaml)", &Options::format,
          kFormats};
}
std::vector<OptionSpec> watch_options(std::vector<OptionSpec> options) {
  options.push_back({"-W", "", "Auto update the screen every 2 seconds", &Options::watch});
  options.push_back(
      {"-w,--watch", "FLOAT", "Auto update the screen every X seconds", &Options::watch_s});
  return options;
}
OptionSpec wait_option(std::string_view text) { return {"--wait", "", text, &Options::wait}; }

CommandSpec list_command() {
  return {"list",
          "[CLUSTER_NAMES]...",
          "List the members of a cluster",
          "One row a member: role, state, timeline, and how far it is behind the leader.",
          {"% list", "% list -W              # redraw every 2 seconds",
           "% list -f json | jq '.[] | select(.Role == \"Leader\").Member'"},
          0,
          SIZE_MAX,
          watch_options({group_option(),
                         {"-e,--extended", "", "Show some extra information", &Options::extended},
                         {"-t,--timestamp", "", "Print timestamp", &Options::timestamp},
                         format_option()})};
}

CommandSpec topology_command() {
  return {"topology",
          "[CLUSTER_NAMES]...",
          "Show who replicates from whom",
          "The members as a tree: cascading replicas stand under their source.",
          {"% topology", "% topology demo"},
          0,
          SIZE_MAX,
          watch_options({group_option()})};
}

CommandSpec dsn_command() {
  return {"dsn",
          "[CLUSTER_NAME]",
          "Print host and port of a member, by default of the leader",
          "The line fits into libpq connection strings.",
          {"psql \"$(% dsn) dbname=app user=app\"", "% dsn -r replica", "% dsn -m node-2"},
          0,
          1,
          {group_option(),
           role_option("Give a dsn of any member with this role"),
           {"-m,--member", "TEXT", "Generate a dsn for this member", &Options::member}}};
}

CommandSpec restart_command() {
  return {"restart",
          "CLUSTER_NAME [MEMBER_NAMES]...",
          "Restart PostgreSQL on members of a cluster",
          "Without member names all members of the role are restarted, one after the other.",
          {"% restart demo node-2", "% restart demo --pending --force   # only where settings wait",
           "% restart demo -r replica --scheduled 2026-11-23T04:00",
           "% restart demo --pg-version 15.10   # only servers older than that"},
          1,
          SIZE_MAX,
          {group_option(),
           role_option("Restart only members with this role"),
           {"--any", "", "Restart a single member only", &Options::any},
           {"--scheduled", "TIMESTAMP",
            "Timestamp of a scheduled restart in unambiguous format (e.g. ISO 8601)",
            &Options::scheduled},
           {"--pg-version", "VERSION",
            "Restart if the PostgreSQL version is less than provided (e.g. 9.5.2)",
            &Options::pg_version},
           {"--pending", "", "Restart if pending", &Options::pending},
           {"--timeout", "TIME",
            "Return error and fail over if necessary when restarting takes longer than this",
            &Options::timeout},
           force_option()}};
}

CommandSpec reload_command() {
  return {"reload",
          "CLUSTER_NAME [MEMBER_NAMES]...",
          "Let members read their configuration files again",
          "Each agent rereads its file and reloads PostgreSQL when something changed.",
          {"% reload demo", "% reload demo node-1 --force"},
          1,
          SIZE_MAX,
          {group_option(), role_option("Reload only members with this role"), force_option()}};
}

CommandSpec reinit_command() {
  return {"reinit",
          "CLUSTER_NAME [MEMBER_NAMES]...",
          "Throw away the data of replicas and copy it anew",
          "The data directory of the member is REMOVED and cloned; never needed for the leader.",
          {"% reinit demo node-2", "% reinit demo node-2 --force --wait",
           "% reinit demo node-2 --from-leader   # not from another replica"},
          1,
          SIZE_MAX,
          {group_option(),
           force_option(),
           {"--from-leader", "", "Get the basebackup from the leader", &Options::from_leader},
           wait_option("Wait until reinitialization completes")}};
}

CommandSpec switchover_command() {
  return {
      "switchover",
      "[CLUSTER_NAME]",
      "Hand the leadership of a healthy cluster to a replica",
      "Asks for everything that is not given. Nothing committed is lost.",
      {"% switchover", "% switchover demo --candidate node-2 --force",
       "% switchover demo --leader node-1 --candidate node-2 --scheduled 2026-11-23T04:00"},
      0,
      1,
      {group_option(),
       {"--leader,--primary,--master", "NAME", "The name of the current leader", &Options::leader},
       {"--candidate", "NAME", "The name of the candidate", &Options::candidate},
       {"--scheduled", "TIMESTAMP",
        "Timestamp of a scheduled switchover in unambiguous format (e.g. ISO 8601)",
        &Options::scheduled},
       force_option()}};
}

CommandSpec failover_command() {
  return {"failover",
          "[CLUSTER_NAME]",
          "Make a replica the leader although the cluster is not healthy",
          "For a cluster without a leader. Prefer switchover as long as there is one.",
          {"% failover demo --candidate node-2"},
          0,
          1,
          {group_option(),
           {"--candidate", "NAME", "The name of the candidate", &Options::candidate},
           force_option()}};
}

CommandSpec flush_command() {
  return {
      "flush",
      "CLUSTER_NAME [MEMBER_NAMES]... {restart|switchover}",
      "Discard scheduled restarts or the scheduled switchover",
      "",
      {"% flush demo restart", "% flush demo node-2 restart --force", "% flush demo switchover"},
      2,
      SIZE_MAX,
      {group_option(), role_option("Flush only members with this role"), force_option()}};
}

CommandSpec pause_command() {
  return {"pause",
          "[CLUSTER_NAME]",
          "Stop automatic failover (maintenance mode)",
          "PostgreSQL runs on as it is; the agents only watch until `resume`.",
          {"% pause --wait"},
          0,
          1,
          {group_option(), wait_option("Wait until pause is applied on all nodes")}};
}

CommandSpec resume_command() {
  return {"resume",
          "[CLUSTER_NAME]",
          "Resume automatic failover",
          "",
          {"% resume --wait"},
          0,
          1,
          {group_option(), wait_option("Wait until pause is cleared on all nodes")}};
}

CommandSpec edit_config_command() {
  return {"edit-config",
          "[CLUSTER_NAME]",
          "Change the configuration that all members share",
          "Without options it opens $EDITOR; the difference is shown before anything is written.",
          {"% edit-config", "% edit-config -s ttl=20 -s loop_wait=5",
           "% edit-config -p max_connections=200 --force",
           "% edit-config -s synchronous_mode=null      # remove a setting",
           "% show-config | sed s/a/b/ | % edit-config --replace - --force"},
          0,
          1,
          {group_option(),
           {"-q,--quiet", "", "Do not show changes", &Options::quiet},
           {"-s,--set", "KEY=VALUE",
            "Set specific configuration value. Can be specified multiple times", &Options::set},
           {"-p,--pg", "KEY=VALUE",
            "Set specific PostgreSQL parameter value. Shorthand for -s postgresql.parameters. Can "
            "be specified multiple times",
            &Options::pg},
           {"--apply", "FILE", "Apply configuration from file. Use - for stdin", &Options::apply},
           {"--replace", "FILE",
            "Apply configuration from file, replacing existing configuration. Use - for stdin",
            &Options::replace},
           force_option()}};
}

CommandSpec show_config_command() {
  return {"show-config",
          "[CLUSTER_NAME]",
          "Show the configuration that all members share",
          "",
          {"% show-config", "% show-config demo > demo.yml"},
          0,
          1,
          {group_option()}};
}

CommandSpec history_command() {
  return {"history",
          "[CLUSTER_NAME]",
          "Show the history of failovers and switchovers",
          "One row a timeline: where it ended, why, when, and who led after it.",
          {"% history", "% history -f json"},
          0,
          1,
          {group_option(), format_option()}};
}

CommandSpec explain_command() {
  return {"explain",
          "[CLUSTER_NAME]",
          "Why another node leads, and where the time went",
          "For each change of leader, the newest first: why, what the others had, and how long it\n"
          "took to notice, to take the lock, to promote and to take writes.",
          {"% explain", "% explain -f json"},
          0,
          1,
          {group_option(), format_option()}};
}

CommandSpec query_command() {
  return {"query",
          "[CLUSTER_NAME]",
          "Run SQL on a member, by default on the leader",
          "User, password and the rest come from libpq's environment where no option names them.",
          {"% query -c 'SELECT now()' -U postgres",
           "% query -r replica -c 'SELECT pg_last_wal_replay_lsn()' -w 1",
           "% query -m node-2 -f report.sql -d app --format json"},
          0,
          1,
          {group_option(),
           {"--format", "FORMAT", "Output format (pretty, tsv, json, yaml); tsv", &Options::format,
            kFormats},
           {"-f,--file", "FILE", "Execute the SQL commands from this file", &Options::sql_file},
           {"--password", "", "Ask for the password", &Options::password},
           {"-U,--username", "NAME", "Database user", &Options::user},
           {"-W", "", "Auto update the screen every 2 seconds", &Options::watch},
           {"-w,--watch", "FLOAT", "Auto update the screen every X seconds", &Options::watch_s},
           role_option("The role of the member"),
           {"-m,--member", "NAME", "Query this member", &Options::member},
           {"--delimiter", "TEXT", "The column delimiter of tsv", &Options::delimiter},
           {"-c,--command", "SQL", "The SQL commands to execute", &Options::sql},
           {"-d,--dbname", "NAME", "The database to connect to", &Options::dbname}}};
}

CommandSpec remove_command() {
  return {"remove",
          "CLUSTER_NAME",
          "Forget a cluster: remove all its keys from the store",
          "Asks three times. Data directories are not touched, agents that run found it anew.",
          {"% remove demo"},
          1,
          1,
          {group_option(), format_option()}};
}

CommandSpec demote_cluster_command() {
  return {"demote-cluster",
          "[CLUSTER_NAME]",
          "Make this a standby cluster, which follows another one",
          "Its leader stops cleanly and streams from the remote; nobody here takes writes.",
          {"% demote-cluster --host 10.1.0.5 --port 5432",
           "% demote-cluster demo --host 10.1.0.5 --primary-slot-name site_b --force"},
          0,
          1,
          {group_option(),
           {"--host", "TEXT", "Address of the remote primary", &Options::host},
           {"--port", "INTEGER", "Its port", &Options::port},
           {"--restore-command", "TEXT", "Command to restore WAL of the remote from an archive",
            &Options::restore_command},
           {"--primary-slot-name", "TEXT", "Slot of the remote to stream by",
            &Options::primary_slot_name},
           force_option()}};
}

CommandSpec promote_cluster_command() {
  return {"promote-cluster",
          "[CLUSTER_NAME]",
          "Make a standby cluster one that takes writes",
          "The remote must be down, or demoted first: two sites would write.",
          {"% promote-cluster", "% promote-cluster demo --force"},
          0,
          1,
          {group_option(), force_option()}};
}

CommandSpec version_command() {
  return {"version",
          "[CLUSTER_NAME] [MEMBER_NAMES]...",
          "Show the version of this program, and of agents and servers of a cluster",
          "",
          {"% version", "% version demo", "% version demo node-1"},
          0,
          SIZE_MAX,
          {group_option()}};
}

}  // namespace

const std::vector<CommandSpec>& command_specs() {
  static const std::vector<CommandSpec> specs = {
      demote_cluster_command(),  dsn_command(),         edit_config_command(),
      explain_command(),         failover_command(),    flush_command(),
      history_command(),         list_command(),        pause_command(),
      promote_cluster_command(), query_command(),       reinit_command(),
      reload_command(),          remove_command(),      restart_command(),
      resume_command(),          show_config_command(), switchover_command(),
      topology_command(),        version_command()};
  return specs;
}

const std::vector<OptionSpec>& global_option_specs() {
  static const std::vector<OptionSpec> specs = {
      {"-c,--config-file", "FILE", "Configuration file", &Options::config_file},
      {"-d,--dcs-url,--dcs", "URL", "Where etcd is: etcd3://host:port/namespace",
       &Options::dcs_url},
      {"-k,--insecure", "", "Allow connections to SSL sites without certs", &Options::insecure}};
  return specs;
}

const CommandSpec* find_command(std::string_view name) {
  for (const CommandSpec& spec : command_specs())
    if (spec.name == name) return &spec;
  return nullptr;
}

}  // namespace aurum::cli
