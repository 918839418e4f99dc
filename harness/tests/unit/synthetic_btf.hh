// SPDX-License-Identifier: MIT
// Type information made by hand, for tests without a guest.
#pragma once

#include <bpf/btf.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "harness/base/file_descriptor.hh"

namespace zcl::test {

class SyntheticBtf {
 public:
  SyntheticBtf() : btf_(btf__new_empty()) {
    long_ = btf__add_int(btf_.get(), "unsigned long", 8, 0);
    byte_ = btf__add_int(btf_.get(), "char", 1, 0);
  }

  struct Member {
    std::string name;  ///< empty: anonymous
    int type = 0;      ///< 0: unsigned long
    unsigned offset = 0;
  };
  /// `name` may be empty. Returns the type's id.
  int structure(const std::string& name, unsigned size, const std::vector<Member>& members) {
    const int id = btf__add_struct(btf_.get(), name.c_str(), size);
    for (const Member& member : members) {
      btf__add_field(btf_.get(), member.name.c_str(), member.type == 0 ? long_ : member.type,
                     member.offset * 8, 0);
    }
    return id;
  }
  void enumeration(const std::string& name,
                   const std::vector<std::pair<std::string, int>>& values) {
    btf__add_enum(btf_.get(), name.c_str(), 4);
    for (const auto& [value_name, value] : values) {
      btf__add_enum_value(btf_.get(), value_name.c_str(), value);
    }
  }
  int alias(const std::string& name, int type) {
    return btf__add_typedef(btf_.get(), name.c_str(), type);
  }
  [[nodiscard]] int byte() const { return byte_; }

  [[nodiscard]] base::Bytes bytes() const {
    std::uint32_t size = 0;
    const auto* data = static_cast<const std::uint8_t*>(btf__raw_data(btf_.get(), &size));
    return {data, data + size};
  }

 private:
  struct Free {
    void operator()(btf* types) const { btf__free(types); }
  };
  std::unique_ptr<btf, Free> btf_;
  int long_ = 0;
  int byte_ = 0;
};

}  // namespace zcl::test
