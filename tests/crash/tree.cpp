// Directories are listed and symlinks read by the engine's calls, as an application would; content
// is read in runs, so that a large hole costs nothing.
#include "tests/crash/tree.h"

#include "libpmemfile/file/block_map.h"
#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/fs/open_calls.h"
#include "libpmemfile/fs/xattr_calls.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <map>

namespace crash {

using namespace pmemfile;

namespace {

uint64_t hash_of(const void *bytes, size_t size_bytes) {
    const uint64_t hash = XXH3_64bits(bytes, size_bytes);
    return hash == 0 ? 1 : hash;
}

void read_content(Thread &thread, InodeNumber number, Node &node, bool wants_letters) {
    constexpr uint64_t run_max = 64;
    static std::vector<std::byte> buffer(run_max * block_size_bytes);
    const Inode &inode = *thread.pool->inode(number);
    const bool is_inline = (inode.flags & inode_inline) != 0;
    const uint64_t block_total = (node.size_bytes + block_size_bytes - 1) / block_size_bytes;
    node.blocks.reserve(std::min<uint64_t>(block_total, 4096));
    for (uint64_t index = 0; index < block_total;) {
        const MappedRun run =
            is_inline ? MappedRun{} : map_lookup(*thread.pool, inode, index, std::min(run_max, block_total - index));
        if (!is_inline && run.count == 0) {
            node.trouble = "its block map cannot be read";
            return;
        }
        if (!is_inline && run.block == 0) {
            // One entry for a hole, so that holes of terabytes cost nothing.
            if (node.blocks.empty() || node.blocks.back() != 0)
                node.blocks.push_back(0);
            node.letters[0] = wants_letters;
            index += run.count;
            continue;
        }
        const uint64_t count = is_inline ? 1 : run.count;
        const uint64_t begin = index * block_size_bytes;
        const size_t want = std::min(count * block_size_bytes, node.size_bytes - begin);
        struct iovec vector = {buffer.data(), want};
        auto length = data_read(thread, number, begin, {&vector, 1});
        if (!length.ok() || *length != want) {
            node.trouble = "its content cannot be read";
            return;
        }
        for (size_t at = 0; wants_letters && at < want; ++at)
            node.letters[static_cast<uint8_t>(buffer[at])] = true;
        for (size_t at = 0; at < want; at += block_size_bytes)
            node.blocks.push_back(hash_of(buffer.data() + at, std::min(block_size_bytes, want - at)));
        index += count;
    }
}

void read_xattrs(Thread &thread, InodeHandle handle, Node &node) {
    static std::vector<char> list(xattr_list_max_bytes), value(xattr_value_max_bytes);
    auto length = fs_listxattr(thread, handle, list.data(), list.size());
    std::vector<std::string> lines;
    for (size_t at = 0; length.ok() && at < *length; at += std::strlen(list.data() + at) + 1) {
        const std::string name = list.data() + at;
        auto size = fs_getxattr(thread, handle, name, value.data(), value.size());
        if (!size.ok())
            node.trouble = "its attribute " + name + " cannot be read";
        lines.push_back(name + "=" + std::to_string(size.ok() ? hash_of(value.data(), *size) : 0) + ";");
    }
    if (!length.ok())
        node.trouble = "its extended attributes cannot be listed";
    std::sort(lines.begin(), lines.end());
    for (const std::string &line : lines)
        node.xattrs += line;
}

std::vector<std::string> list_names(Thread &thread, const std::string &path, Node &node) {
    std::vector<std::string> names;
    const InodeNumber root = thread.pool->superblock().root_inode;
    auto id = fs_open(thread, {root, path.empty() ? "/" : path, 0}, O_RDONLY | O_DIRECTORY, 0);
    if (!id.ok()) {
        node.trouble = "cannot be opened";
        return names;
    }
    static std::vector<char> buffer(8192);
    for (;;) {
        auto length = fs_getdents64(thread, *id, buffer.data(), buffer.size());
        if (!length.ok()) {
            node.trouble = "cannot be listed";
            break;
        }
        if (*length == 0)
            break;
        for (size_t offset = 0; offset < *length;) {
            const auto *entry = reinterpret_cast<const struct dirent64 *>(buffer.data() + offset);
            const std::string_view name = entry->d_name;
            if (name != "." && name != "..")
                names.emplace_back(name);
            offset += entry->d_reclen;
        }
    }
    fs_close(thread, *id);
    std::sort(names.begin(), names.end());
    return names;
}

void read_node(Thread &thread, const std::string &path, Tree &tree, const std::string &letters_of) {
    const InodeNumber root = thread.pool->superblock().root_inode;
    Node node;
    node.path = path;
    auto found = walk(thread, root, path.empty() ? "/" : path, 0);
    auto attributes = found.ok() ? fs_attributes(thread, found->handle()) : base::error(ENOENT);
    if (!attributes.ok()) {
        node.trouble = "leads nowhere";
        tree.push_back(std::move(node));
        return;
    }
    const Attributes &a = *attributes;
    node.mode = a.mode, node.uid = a.uid, node.gid = a.gid, node.link_count = a.link_count;
    node.size_bytes = a.size_bytes, node.block_count = a.block_count, node.device = a.device;
    node.atime_ns = a.atime_ns, node.mtime_ns = a.mtime_ns, node.ctime_ns = a.ctime_ns, node.btime_ns = a.btime_ns;
    read_xattrs(thread, found->handle(), node);
    std::vector<std::string> names;
    if (S_ISDIR(a.mode)) {
        names = list_names(thread, path, node);
    } else if (S_ISLNK(a.mode)) {
        static char target[path_max_bytes];
        auto length = fs_readlink(thread, found->handle(), target, sizeof(target));
        node.target = length.ok() ? std::string(target, *length) : "";
        node.trouble = length.ok() ? "" : "its target cannot be read";
    } else if (S_ISREG(a.mode)) {
        read_content(thread, found->inode, node, !letters_of.empty() && path == letters_of);
    }
    tree.push_back(std::move(node));
    for (const std::string &name : names)
        read_node(thread, path + "/" + name, tree, letters_of);
}

bool is_inside(const std::string &path, const std::string &subtree) {
    return path.starts_with(subtree) && (path.size() == subtree.size() || path[subtree.size()] == '/');
}

std::string to_text(const Node &node) {
    std::string text = (node.path.empty() ? "/" : node.path) + " mode " + std::to_string(node.mode) + " owner " +
                       std::to_string(node.uid) + ":" + std::to_string(node.gid) + " links " +
                       std::to_string(node.link_count) + " size " + std::to_string(node.size_bytes) + " blocks " +
                       std::to_string(node.block_count) + " atime " + std::to_string(node.atime_ns) + " mtime " +
                       std::to_string(node.mtime_ns) + " ctime " + std::to_string(node.ctime_ns) + " " + node.target +
                       " " + node.xattrs + " content " +
                       std::to_string(hash_of(node.blocks.data(), node.blocks.size() * sizeof(uint64_t)));
    return text + (node.trouble.empty() ? "" : " TROUBLE: " + node.trouble);
}

const Node *find(const Tree &tree, const std::string &path) {
    for (const Node &node : tree)
        if (node.path == path)
            return &node;
    return nullptr;
}

bool has_block(const Node *node, uint64_t hash) {
    return node != nullptr && std::find(node->blocks.begin(), node->blocks.end(), hash) != node->blocks.end();
}

} // namespace

Tree read_tree(Thread &thread, const std::string &letters_of, const std::string &subtree) {
    Tree tree;
    read_node(thread, subtree, tree, letters_of);
    return tree;
}

uint64_t hash_tree(const Tree &tree, const std::string &subtree, bool inside, bool with_space) {
    XXH3_state_t state;
    XXH3_64bits_reset(&state);
    auto add = [&](const auto &value) { XXH3_64bits_update(&state, &value, sizeof(value)); };
    auto add_text = [&](const std::string &text) {
        add(text.size());
        XXH3_64bits_update(&state, text.data(), text.size());
    };
    for (const Node &node : tree) {
        if (!subtree.empty() && is_inside(node.path, subtree) != inside)
            continue;
        add_text(node.path);
        add_text(node.target);
        add_text(node.xattrs);
        add_text(node.trouble);
        add(node.mode), add(node.uid), add(node.gid), add(node.link_count);
        add(with_space || !S_ISDIR(node.mode) ? node.size_bytes : 0), add(with_space ? node.block_count : 0);
        add(node.device);
        add(node.atime_ns), add(node.mtime_ns), add(node.ctime_ns), add(node.btime_ns);
        add(node.blocks.size());
        XXH3_64bits_update(&state, node.blocks.data(), node.blocks.size() * sizeof(uint64_t));
    }
    return XXH3_64bits_digest(&state);
}

Tree part_of(const Tree &tree, const std::string &subtree, bool inside) {
    Tree part;
    for (const Node &node : tree)
        if (is_inside(node.path, subtree) == inside)
            part.push_back(node);
    return part;
}

std::string difference(const Tree &is, const Tree &should_be) {
    std::string text;
    for (const Node &node : is)
        if (const Node *other = find(should_be, node.path); other == nullptr || !(*other == node))
            text += "  is        " + to_text(node) + "\n";
    for (const Node &node : should_be)
        if (const Node *other = find(is, node.path); other == nullptr || !(*other == node))
            text += "  should be " + to_text(node) + "\n";
    return text;
}

std::vector<std::string> other_content(const Tree &before, const Tree &after) {
    std::vector<std::string> paths;
    for (const Node &node : before) {
        const Node *now = S_ISREG(node.mode) ? find(after, node.path) : nullptr;
        if (now != nullptr && (now->size_bytes != node.size_bytes || now->blocks != node.blocks))
            paths.push_back(node.path);
    }
    return paths;
}

bool is_same_but_space(const Tree &tree, const Tree &other) {
    return std::equal(tree.begin(), tree.end(), other.begin(), other.end(), [](Node one, Node two) {
        one.block_count = two.block_count;
        if (S_ISDIR(one.mode)) // its leaves
            one.size_bytes = two.size_bytes;
        return one == two;
    });
}

bool is_same_but_torn(const Tree &tree, const Tree &other, const std::string &path, const Tree &before,
                      const Tree &after) {
    const Node *torn = find(tree, path), *old_node = find(before, path), *new_node = find(after, path);
    if (torn == nullptr || old_node == nullptr || new_node == nullptr)
        return is_same_but_space(tree, other);
    if ((torn->letters & ~(old_node->letters | new_node->letters)).any() ||
        torn->size_bytes < std::min(old_node->size_bytes, new_node->size_bytes) ||
        torn->size_bytes > std::max(old_node->size_bytes, new_node->size_bytes))
        return false;
    Tree one = tree, two = other;
    for (Tree *side : {&one, &two})
        for (Node &node : *side)
            if (node.path == path) {
                node.blocks.clear();
                node.letters.reset();
                node.size_bytes = 0, node.mtime_ns = 0, node.ctime_ns = 0;
            }
    return is_same_but_space(one, two);
}

bool is_between(const Tree &tree, const Tree &before, const Tree &after) {
    for (const Node &node : tree) {
        const Node *old_node = find(before, node.path);
        const Node *new_node = find(after, node.path);
        if ((old_node == nullptr && new_node == nullptr) || !node.trouble.empty())
            return false;
        if (old_node == nullptr || new_node == nullptr)
            continue;
        if (node.size_bytes < std::min(old_node->size_bytes, new_node->size_bytes) ||
            node.size_bytes > std::max(old_node->size_bytes, new_node->size_bytes))
            return false;
        const bool may_be_cut = node.size_bytes % block_size_bytes != 0 && !node.blocks.empty();
        const size_t whole = node.blocks.size() - (may_be_cut ? 1 : 0);
        for (size_t i = 0; i < whole; ++i)
            if (node.blocks[i] != 0 && !has_block(old_node, node.blocks[i]) && !has_block(new_node, node.blocks[i]))
                return false;
    }
    // A name that both have must not be gone in between.
    return std::all_of(before.begin(), before.end(), [&](const Node &node) {
        return find(after, node.path) == nullptr || find(tree, node.path) != nullptr;
    });
}

} // namespace crash
