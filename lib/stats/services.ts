/** The services of one thread: a page for each proxy with `stats` lines, and the exporter, on one source. */
import type { ProxyModel } from '../config/model.js';
import type { PageService, Service, Services } from '../stream/service.js';
import type { StatsAccess } from './access.js';
import { PrometheusExporter } from './exporter.js';
import { LiveViewers } from './live.js';
import { StatsPage } from './page.js';
import type { StatsSource } from './source.js';

export class StatsServices implements Services {
	readonly #pages: ReadonlyMap<ProxyModel, StatsPage>;
	readonly #named: ReadonlyMap<string, Service>;

	constructor(source: StatsSource, access: ReadonlyMap<ProxyModel, StatsAccess>) {
		const viewers = new LiveViewers();
		this.#pages = new Map(
			[...access].map(([proxy, one]) => [proxy, new StatsPage(proxy, one, source, viewers)] as const),
		);
		this.#named = new Map([['prometheus-exporter', new PrometheusExporter(source)]]);
	}

	named(name: string): Service | undefined {
		return this.#named.get(name);
	}

	pageOf(proxy: ProxyModel): PageService | undefined {
		return this.#pages.get(proxy);
	}
}
