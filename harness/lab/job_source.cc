// SPDX-License-Identifier: MIT
#include "harness/lab/job_source.hh"

namespace zcl::lab {

namespace {

/// Which job of which source a key of the pool stands for.
struct Ticket {
  JobSource* source;
  std::size_t number;
};

/// Starts one job if there is room for any. The tickets' index is the pool's key.
bool start_one(const std::vector<JobSource*>& sources, JobPool& pool,
               std::vector<Ticket>& tickets) {
  for (JobSource* source : sources) {
    for (const std::size_t number : source->ready()) {
      const Job job = source->job(number);
      if (!pool.has_room_for(job)) continue;
      source->started(number);
      tickets.push_back({source, number});
      pool.start(tickets.size() - 1, job);
      return true;
    }
  }
  return false;
}

}  // namespace

void run_all(const std::vector<JobSource*>& sources, unsigned parallel) {
  JobPool pool(parallel);
  std::vector<Ticket> tickets;
  for (;;) {
    while (start_one(sources, pool, tickets)) {
    }
    if (pool.idle()) return;
    const auto [key, outcome] = pool.wait();
    const Ticket ticket = tickets.at(key);
    ticket.source->ended(ticket.number, outcome);
  }
}

}  // namespace zcl::lab
