// golden: each byte sequence of plans/<processor>.txt gets the plan that stands there.
#include "intercept/arch/aarch64/architecture.h"
#include "intercept/plan/planner.h"
#include "intercept/plan/site_flags.h"
#include "tests/intercept/made_object.h"

#include <fstream>
#include <gtest/gtest.h>
#include <set>
#include <sstream>
#include <string>

namespace intercept {
namespace {

struct GoldenCase {
    std::string name;
    int line = 0;
    Recipe recipe;
    bool described = true;
    bool functions_given = false;
    std::vector<std::string> sites; // as in the file
};

// Throws away what stands behind a semicolon; the words of the rest.
std::vector<std::string> words_of(const std::string &line) {
    std::istringstream stream(line.substr(0, line.find(';')));
    std::vector<std::string> words;
    for (std::string word; stream >> word;)
        words.push_back(word);
    return words;
}

uint32_t number(const std::string &word) {
    return static_cast<uint32_t>(std::stoul(word));
}

std::vector<GoldenCase> read_cases(const std::string &path) {
    std::ifstream file(path);
    EXPECT_TRUE(file.good()) << path;
    std::vector<GoldenCase> cases;
    int line_number = 0;
    for (std::string line; std::getline(file, line);) {
        line_number++;
        std::vector<std::string> words = words_of(line);
        if (words.empty() || words[0][0] == '#' || words[0] == "why")
            continue;
        if (words[0] == "case") {
            cases.emplace_back();
            cases.back().name = line.substr(5);
            cases.back().line = line_number;
            continue;
        }
        GoldenCase &one = cases.back();
        Recipe &recipe = one.recipe;
        if (words[0] == "code") {
            for (size_t i = 1; i < words.size(); i++)
                recipe.code.push_back(static_cast<uint8_t>(std::stoul(words[i], nullptr, 16)));
        } else if (words[0] == "function") {
            one.functions_given = true;
            if (words[1] != "none")
                recipe.functions.push_back({number(words[1]), number(words[2]), {}});
        } else if (words[0] == "landing") {
            if (recipe.functions.empty()) {
                one.functions_given = true;
                recipe.functions.push_back({0, static_cast<uint32_t>(recipe.code.size()), {}});
            }
            recipe.functions[0].landing_pads.push_back(number(words[1]));
        } else if (words[0] == "pointer") {
            recipe.pointers.push_back(number(words[1]));
        } else if (words[0] == "table") {
            for (size_t i = 1; i < words.size(); i++)
                recipe.table.push_back(number(words[i]));
        } else if (words[0] == "symbol") {
            recipe.symbols.push_back({number(words[1]), number(words[words.size() > 2 ? 2 : 1])});
        } else if (words[0] == "absolute") {
            recipe.absolute.push_back({number(words[1]), number(words[2])});
        } else if (words[0] == "libc") {
            recipe.libc = true;
        } else if (words[0] == "site") {
            std::string text;
            for (size_t i = 1; i < words.size(); i++)
                text += (i > 1 ? " " : "") + words[i];
            one.sites.push_back(text);
        } else {
            ADD_FAILURE() << path << ":" << line_number << ": " << line;
        }
    }
    for (GoldenCase &one : cases)
        if (!one.functions_given)
            one.recipe.functions = {{0, static_cast<uint32_t>(one.recipe.code.size()), {}}};
    return cases;
}

// `offset`: of the site, from the first byte of the code.
std::string describe(const SitePlan &site, uint64_t offset) {
    std::string at = std::to_string(offset);
    std::string from = std::to_string(offset - site.site_in_window);
    std::string call = site.number < 0 ? "-" : std::to_string(site.number);
    std::string flags = (site.flags & SITE_FLAGS_DEAD) != 0 ? " flags_dead" : "";
    flags += (site.flags & SITE_VECTOR_DEAD) != 0 ? " vector_dead" : "";
    switch (site.state) {
    case INTERCEPT_SITE_BEFORE:
        return at + " before " + from + " " + call + flags;
    case INTERCEPT_SITE_OVER:
        return at + " over " + from + " " + std::to_string(site.window_bytes) + " " + call + flags;
    case INTERCEPT_SITE_UNPROVEN:
        return at + " unproven";
    case INTERCEPT_SITE_WINDOW_UNSAFE:
        return at + " unsafe";
    case INTERCEPT_SITE_EXCLUDED:
        return at + " excluded";
    default:
        return at + " ?";
    }
}

void check(const char *path, const Architecture &architecture, size_t cases_min) {
    std::vector<GoldenCase> cases = read_cases(path);
    EXPECT_GE(cases.size(), cases_min);
    std::set<std::string> names;
    for (const GoldenCase &one : cases) {
        SCOPED_TRACE(std::string(path) + ":" + std::to_string(one.line) + ": " + one.name);
        EXPECT_TRUE(names.insert(one.name).second) << "a name is given twice";
        MadeObject made;
        ASSERT_TRUE(made.make(one.recipe));
        Plan plan;
        ASSERT_TRUE(plan_object(made.object(), architecture, plan));
        std::vector<std::string> sites;
        for (const SitePlan &site : plan) {
            uint64_t offset = made.object().base + site.site_offset - made.address();
            sites.push_back(describe(site, offset));
            EXPECT_EQ(memcmp(site.bytes, made.at(offset - site.site_in_window), site.window_bytes), 0);
        }
        EXPECT_EQ(sites, one.sites);
    }
}

TEST(Golden, X86) {
    check(PLANS "/x86_64.txt", native_architecture, 50);
}

TEST(Golden, Aarch64) {
    check(PLANS "/aarch64.txt", aarch64::architecture, 25);
}

} // namespace
} // namespace intercept
