#include "tests/engine_names/pool_tree.h"
int main(){}
