#include "web/assets.h"

#define X(name)                                                                                    \
	extern const unsigned char ff_asset_##name[];                                              \
	extern const size_t ff_asset_##name##_len;
FF_ASSET_MODULE_MAP(X)
X(style_css)
#undef X

const struct ff_asset ff_asset_modules[] = {
#define X(name) {#name, ff_asset_##name, &ff_asset_##name##_len},
	FF_ASSET_MODULE_MAP(X)
#undef X
		{0},
};

const struct ff_asset ff_asset_style = {"style", ff_asset_style_css, &ff_asset_style_css_len};
