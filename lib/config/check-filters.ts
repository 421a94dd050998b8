/** What can be said of caches and filters when all sections are known (manual, 6.2, 9.2, 9.4). */
import { type Diagnostics, didYouMean } from '../core/diagnostics.js';
import type { CacheDraft } from './draft.js';
import type { CacheModel, ConfigModel, Line, ProxyModel } from './model.js';

/** A cache whose section does not say how large an object may be. */
const OBJECTS_PER_CACHE = 256;

export function finishCaches(drafts: readonly CacheDraft[], diagnostics: Diagnostics): CacheModel[] {
	return drafts.map((draft) => {
		const { totalSizeBytes, place, name } = draft;
		if (totalSizeBytes === 0) diagnostics.alert(place, `Size not specified for cache '${name}'`);
		const objectSizeMax = draft.objectSizeMax ?? totalSizeBytes / OBJECTS_PER_CACHE;
		if (objectSizeMax > totalSizeBytes / 2 && totalSizeBytes > 0) {
			diagnostics.alert(
				place,
				`"max-object-size" is limited to an half of "total-max-size" => ${totalSizeBytes / 2}, in cache '${name}'`,
			);
		}
		return { ...draft, objectSizeMax };
	});
}

export function checkFilters(model: ConfigModel, diagnostics: Diagnostics): void {
	const names = new Set(model.caches.map((cache) => cache.name));
	for (const proxy of model.proxies) if (!proxy.disabled) checkProxy(proxy, names, diagnostics);
}

function checkProxy(proxy: ProxyModel, caches: ReadonlySet<string>, diagnostics: Diagnostics): void {
	const label = `${proxy.kind} '${proxy.name}'`;
	const uses: { place: Line['place']; cache: string }[] = [];
	for (const filter of proxy.filters) if (filter.kind === 'cache') uses.push(filter);
	const rules = [...proxy.httpRequest, ...proxy.httpResponse];
	for (const rule of rules) {
		const cache = rule.words[1];
		if ((rule.words[0] === 'cache-use' || rule.words[0] === 'cache-store') && cache !== undefined && cache !== '') {
			uses.push({ place: rule.place, cache });
		}
	}
	const explicit = proxy.filters.some((filter) => filter.kind === 'bwlim');
	for (const { place, cache } of uses) {
		if (!caches.has(cache)) {
			diagnostics.alert(
				place,
				`${label}: unable to find the cache '${cache}' referenced by the filter 'cache'.${didYouMean(cache, caches)}`,
			);
		} else if (explicit && !proxy.filters.some((filter) => filter.kind === 'cache' && filter.cache === cache)) {
			// Beside other filters the order has to be said (manual, 9.4).
			diagnostics.alert(place, `${label}: require an explicit filter declaration to use the cache '${cache}'.`);
		}
	}
	if (proxy.mode === 'tcp') checkModeTcp(proxy, label, diagnostics);
	const { compression } = proxy;
	if (explicit && compression !== undefined && !proxy.filters.some(({ kind }) => kind === 'compression')) {
		const [first] = proxy.filters;
		diagnostics.alert(
			first?.place ?? proxy.place,
			`${label}: require an explicit filter declaration to use HTTP compression`,
		);
	}
}

/** In mode tcp there are no bodies: what would work on them is refused, or said to have no effect where HAProxy takes it. */
function checkModeTcp(proxy: ProxyModel, label: string, diagnostics: Diagnostics): void {
	for (const filter of proxy.filters) {
		if (filter.kind === 'bwlim') {
			diagnostics.alert(
				filter.place,
				`${label}: 'filter ${filter.outgoing ? 'bwlim-out' : 'bwlim-in'}' is not supported by holdfast in 'mode tcp'`,
			);
		} else diagnostics.notice(filter.place, `${label}: 'filter ${filter.kind}' has no effect in 'mode tcp'.`);
	}
	if (proxy.compression !== undefined && proxy.filters.length === 0) {
		diagnostics.notice(proxy.place, `${label}: 'compression' has no effect in 'mode tcp'.`);
	}
}
