/**
 * The statistics page of one proxy as a service of its streams: which requests are meant for it, what they ask for, and
 * the answer (manual, 4.2 `stats ...`). Answers are made while they are sent; see pieces.ts.
 */
import { randomBytes } from 'node:crypto';
import type { ProxyModel, StatsModel } from '../config/model.js';
import { HeaderList } from '../http/message.js';
import type { LocalReply, ReplySource } from '../rules/stream-control.js';
import { jsonSchema } from '../runtime-api/fields.js';
import { CSV_HEADER, csvLine, jsonRow, typedLines } from '../runtime-api/stat-format.js';
import { type StatRow, statRows } from '../runtime-api/stat-rows.js';
import { pathAndQuery } from '../sample/http-parts.js';
import type { PageService } from '../stream/service.js';
import type { Stream } from '../stream/stream.js';
import type { StatsAccess } from './access.js';
import { applyForm, type Outcome } from './admin.js';
import { PAGE_SCRIPT } from './assets/script.js';
import { chartsScript } from './assets/uplot.js';
import { isHidden, pageHtml } from './html.js';
import { LiveSource, type LiveViewers } from './live.js';
import { type PageFormat, type PageOptions, pageLink, parsePageOptions } from './page-options.js';
import { TextSource } from './pieces.js';
import type { StatsSource } from './source.js';

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST']);
const NO_BODY = Buffer.alloc(0);

const CONTENT_TYPES: Readonly<Record<PageFormat, string>> = {
	html: 'text/html; charset=utf-8',
	csv: 'text/plain',
	typed: 'text/plain',
	json: 'application/json',
	'json-schema': 'application/json',
	live: 'text/event-stream',
	script: 'text/javascript; charset=utf-8',
	charts: 'text/javascript; charset=utf-8',
};

export class StatsPage implements PageService {
	readonly logName = '<STATS>';
	readonly model: StatsModel;
	readonly source: StatsSource;
	readonly #proxy: ProxyModel;
	readonly #access: StatsAccess;
	readonly #viewers: LiveViewers;

	constructor(proxy: ProxyModel, access: StatsAccess, source: StatsSource, viewers: LiveViewers) {
		this.#proxy = proxy;
		this.#access = access;
		this.model = access.model;
		this.source = source;
		this.#viewers = viewers;
	}

	get access(): StatsAccess['rules'] {
		return this.#access.rules;
	}

	matches({ request }: Stream): boolean {
		if (request === undefined || !METHODS.has(request.method)) return false;
		return (pathAndQuery(request.target) ?? '').startsWith(this.model.uri);
	}

	needsBody({ request }: Stream): boolean {
		return request?.method === 'POST';
	}

	answer(stream: Stream): LocalReply {
		const target = pathAndQuery(stream.request?.target ?? '') ?? '';
		const options = parsePageOptions(target, this.model.uri.length);
		const isAdmin = this.#isAdmin(stream);
		if (stream.request?.method === 'POST') return this.#redirect(this.#act(stream, isAdmin), options);
		return this.#respond(options, isAdmin);
	}

	/** `stats show-node`: its name, else the node's. A byte string. */
	nodeName(): string {
		const { showNode } = this.model;
		return typeof showNode === 'string' ? showNode : (this.source.model.global.node ?? this.source.options.hostname);
	}

	description(): string | undefined {
		const { showDesc } = this.model;
		return showDesc === true ? this.source.model.global.description : showDesc;
	}

	/** `stats scope`, and the scope that the request names. */
	shows(proxy: ProxyModel, options: PageOptions): boolean {
		return this.isInScope(proxy.name) && (options.scope === '' || proxy.name.includes(options.scope));
	}

	isInScope(name: string): boolean {
		const { scope } = this.model;
		return scope.length === 0 || scope.includes(name) || (scope.includes('.') && name === this.#proxy.name);
	}

	/** Nobody is, unless a condition of `stats admin` holds. */
	#isAdmin(stream: Stream): boolean {
		return this.#access.admin.some((condition) => condition.test(stream) === true);
	}

	#respond(options: PageOptions, isAdmin: boolean): LocalReply {
		// What rows say of checks and of frontends that were stopped comes with it.
		this.source.report();
		const { format } = options;
		const headers = new HeaderList();
		const isAsset = format === 'script' || format === 'charts';
		headers.add('cache-control', isAsset ? 'private, max-age=3600' : format === 'live' ? 'no-store' : 'no-cache');
		headers.add('content-type', CONTENT_TYPES[format]);
		headers.add('x-content-type-options', 'nosniff');
		const { refreshSeconds } = this.model;
		// A page that updates itself is not to be loaded again under the reader: its own line says so for who has no script.
		const reloads = format !== 'html' && !isAsset && format !== 'live' && options.refreshes;
		if (refreshSeconds !== undefined && reloads) headers.add('refresh', String(refreshSeconds));
		switch (format) {
			case 'html': {
				const nonce = randomBytes(16).toString('base64url');
				headers.add('content-security-policy', contentPolicy(nonce));
				// With `no-referrer` a browser would call the origin of our own forms `null`.
				headers.add('referrer-policy', 'same-origin');
				return streamed(headers, new TextSource(pageHtml(this, options, nonce, isAdmin)));
			}
			case 'csv':
				return streamed(headers, new TextSource(this.#csv(options)));
			case 'typed':
				return streamed(headers, new TextSource(this.#typed(options)));
			case 'json':
				return streamed(headers, new TextSource(this.#json(options)));
			case 'json-schema':
				return whole(headers, `${jsonSchema()}\n`);
			case 'script':
				return whole(headers, PAGE_SCRIPT);
			case 'charts':
				return whole(headers, chartsScript());
			case 'live': {
				const live = this.#viewers.add((viewers) => new LiveSource(this, options, viewers));
				if (live !== undefined) return streamed(headers, live);
				headers.set('content-type', 'text/plain');
				return { status: 503, reason: '', headers, body: Buffer.from('Too many viewers.\n') };
			}
		}
	}

	*rows(options: PageOptions): Generator<StatRow> {
		const { showLegends } = this.model;
		const accepts = (proxy: ProxyModel): boolean => this.shows(proxy, options);
		for (const row of statRows(this.source, { legends: showLegends, accepts })) {
			if (!isHidden(row, options)) yield row;
		}
	}

	*#csv(options: PageOptions): Generator<string> {
		yield CSV_HEADER;
		for (const row of this.rows(options)) yield csvLine(row);
	}

	*#typed(options: PageOptions): Generator<string> {
		for (const row of this.rows(options)) yield typedLines(row);
	}

	*#json(options: PageOptions): Generator<string> {
		let before = '[';
		for (const row of this.rows(options)) {
			yield before + jsonRow(row);
			before = ',';
		}
		yield before === '[' ? '[]' : ']';
	}

	// ---- actions

	#act(stream: Stream, isAdmin: boolean): Outcome {
		const { request } = stream;
		if (request === undefined || !isAdmin || !isOwnOrigin(request.headers)) return 'DENY';
		const body = stream.requestBuffer ?? NO_BODY;
		const { framing } = request;
		// As much as fits in a buffer, less what is reserved (manual, `stats admin`).
		const limit = stream.session.thread.headLimits.headSizeMax;
		const isCut =
			framing.kind === 'length' ? framing.length > limit || body.length < framing.length : body.length > limit;
		if (isCut) return 'EXCD';
		const { backends, options, clock } = this.source;
		const inScope = new Map([...backends].filter(([name]) => this.isInScope(name)));
		return applyForm(body.toString('latin1'), inScope, options.effects, clock);
	}

	#redirect(outcome: Outcome, options: PageOptions): LocalReply {
		const headers = new HeaderList();
		headers.add('cache-control', 'no-cache');
		headers.add('content-type', 'text/plain');
		const { uri } = this.model;
		headers.add('location', pageLink(`${uri};st=${outcome}`, { ...options, format: 'html' }));
		return { status: 303, reason: '', headers, body: NO_BODY };
	}
}

function streamed(headers: HeaderList, source: ReplySource): LocalReply {
	return { status: 200, reason: '', headers, body: NO_BODY, source };
}

function whole(headers: HeaderList, text: string): LocalReply {
	return { status: 200, reason: '', headers, body: Buffer.from(text, 'latin1') };
}

/** Nothing from elsewhere, no script and no style but the page's own, in no other page's frame. */
function contentPolicy(nonce: string): string {
	return `default-src 'none'; script-src 'nonce-${nonce}'; style-src 'nonce-${nonce}'; connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`;
}

/**
 * A browser says from where a form comes: another site's page must not act here with the password that the browser
 * keeps. Programs say nothing, and are let in.
 */
function isOwnOrigin(headers: HeaderList): boolean {
	if (headers.get('sec-fetch-site') === 'cross-site') return false;
	const origin = headers.get('origin');
	if (origin === undefined) return true;
	const host = /^https?:\/\/(.+)$/.exec(origin)?.[1];
	return host !== undefined && host.toLowerCase() === headers.get('host')?.toLowerCase();
}
