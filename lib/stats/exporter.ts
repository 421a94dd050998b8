/** The service behind `use-service prometheus-exporter`. */
import { HeaderList } from '../http/message.js';
import type { LocalReply } from '../rules/stream-control.js';
import { queryOf } from '../sample/http-parts.js';
import type { Service } from '../stream/service.js';
import type { Stream } from '../stream/stream.js';
import { TextSource } from './pieces.js';
import { exporterText, PROMETHEUS_TYPE, parseExporterQuery } from './prometheus.js';
import type { StatsSource } from './source.js';

export class PrometheusExporter implements Service {
	readonly logName = '<PROMEX>';
	readonly #source: StatsSource;

	constructor(source: StatsSource) {
		this.#source = source;
	}

	needsBody(): boolean {
		return false;
	}

	answer(stream: Stream): LocalReply {
		const options = parseExporterQuery(queryOf(stream.request?.target ?? '') ?? '');
		if (options === undefined) return stream.errorReply(400);
		this.#source.report();
		const headers = new HeaderList();
		headers.add('cache-control', 'no-cache');
		headers.add('content-type', PROMETHEUS_TYPE);
		return {
			status: 200,
			reason: '',
			headers,
			body: Buffer.alloc(0),
			source: new TextSource(exporterText(this.#source, options)),
		};
	}
}
