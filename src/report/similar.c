/* SPDX-License-Identifier: Apache-2.0
 * Lines of Python, compared as sequences of words and signs. */
#include "report/similar.h"

#include <stddef.h>
#include <string.h>

#define MAX_WORDS 200u
#define NUMBER_WEIGHT 2u /* a size that was changed is the commonest edit: it makes no other line */

struct word {
    const char *at;
    uint32_t length;
    uint32_t weight;
    uint32_t hash;
};

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\f' || c == '\n' || c == '\r';
}

/* Letters, digits, underscores and everything beyond ASCII make words; a sign is one by itself. */
static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (unsigned char)c >= 128;
}

static uint32_t hash_word(const char *text, size_t length) {
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < length; i++) {
        hash = (hash ^ (unsigned char)text[i]) * 16777619u;
    }
    return hash;
}

static unsigned split_words(const char *text, struct word *ret_words, uint32_t *ret_weight) {
    unsigned count = 0;
    *ret_weight = 0;
    while (*text != '\0' && count < MAX_WORDS) {
        if (is_space(*text)) {
            text++;
            continue;
        }
        struct word word = {.at = text};
        do {
            text++;
        } while (is_word(text[-1]) && is_word(*text));
        word.length = (uint32_t)(text - word.at);
        word.hash = hash_word(word.at, word.length);
        word.weight = word.at[0] >= '0' && word.at[0] <= '9' ? NUMBER_WEIGHT : word.length;
        *ret_weight += word.weight;
        ret_words[count++] = word;
    }
    return count;
}

bool pk_similar_is_equal(const char *left, const char *right) {
    for (;;) {
        while (is_space(*left)) {
            left++;
        }
        while (is_space(*right)) {
            right++;
        }
        if (*left != *right) {
            return false;
        }
        if (*left == '\0') {
            return true;
        }
        left++;
        right++;
    }
}

uint64_t pk_similar_hash(const char *text) {
    uint64_t hash = UINT64_C(14695981039346656037);
    for (; *text != '\0'; text++) {
        if (!is_space(*text)) {
            hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
        }
    }
    return hash;
}

uint32_t pk_similar_length(const char *text) {
    uint32_t length = 0;
    for (; *text != '\0'; text++) {
        length += is_space(*text) ? 0u : 1u;
    }
    return length;
}

/* Spelled as on the right; what it weighs is its own. */
static void rename_word(struct word *word, const struct pk_similar_rename *renames,
                        uint32_t rename_count) {
    for (uint32_t i = 0; i < rename_count; i++) {
        if (strncmp(renames[i].left, word->at, word->length) == 0 &&
            renames[i].left[word->length] == '\0') {
            word->at = renames[i].right;
            word->length = (uint32_t)strlen(word->at);
            word->hash = hash_word(word->at, word->length);
            return;
        }
    }
}

unsigned pk_similar_percent(const char *left, const char *right) {
    return pk_similar_percent_renamed(left, right, NULL, 0);
}

unsigned pk_similar_percent_renamed(const char *left, const char *right,
                                    const struct pk_similar_rename *renames,
                                    uint32_t rename_count) {
    struct word a[MAX_WORDS], b[MAX_WORDS];
    uint32_t common[MAX_WORDS + 1] = {0}; // of both sides together
    uint32_t a_weight, b_weight;

    unsigned a_count = split_words(left, a, &a_weight), b_count = split_words(right, b, &b_weight);
    if (a_weight + b_weight == 0) {
        return 100;
    }
    for (unsigned i = 0; i < a_count; i++) {
        rename_word(&a[i], renames, rename_count);
        uint32_t diagonal = 0; // common[j] of the row before
        for (unsigned j = 0; j < b_count; j++) {
            uint32_t above = common[j + 1];
            bool is_same = a[i].hash == b[j].hash && a[i].length == b[j].length &&
                           memcmp(a[i].at, b[j].at, a[i].length) == 0;
            uint32_t best = above > common[j] ? above : common[j];
            uint32_t weight = a[i].weight + b[j].weight;
            if (is_same && diagonal + weight > best) {
                best = diagonal + weight;
            }
            common[j + 1] = best;
            diagonal = above;
        }
    }
    return (unsigned)(100u * common[b_count] / (a_weight + b_weight));
}
