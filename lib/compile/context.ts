/**
 * What a line may refer to while it is compiled: tables, proxies, user lists, files and ACLs, by name.
 *
 * Proxies refer to each other in circles (a rule of `a` asks for `be_conn(b)`, one of `b` for `fe_conn(a)`),
 * so a line gets a stand-in for the proxy it names, which is given its real one once all are built.
 */
import type { ConfigModel, Line, ProxyModel, UserlistModel } from '../config/model.js';
import type { Diagnostics, Place } from '../core/diagnostics.js';
import type { CompileContext, ProcessView, ProxyView, RuleSite, ServerView } from '../sample/types.js';
import type { StickTable } from '../stick-table/table.js';

const NOWHERE: Place = { file: '', line: 0 };

/** Names of one configuration in one thread. */
export class Names {
	readonly model: ConfigModel;
	readonly tables: ReadonlyMap<string, StickTable>;
	readonly process: ProcessView;
	readonly #frontends = new Map<string, ProxyStandIn>();
	readonly #backends = new Map<string, ProxyStandIn>();
	readonly #userlists: ReadonlyMap<string, UserlistModel>;

	constructor(model: ConfigModel, tables: ReadonlyMap<string, StickTable>, process: ProcessView) {
		this.model = model;
		this.tables = tables;
		this.process = process;
		for (const proxy of model.proxies) {
			if (proxy.kind !== 'backend') this.#frontends.set(proxy.name, new ProxyStandIn(proxy, 'frontend'));
			if (proxy.kind !== 'frontend') this.#backends.set(proxy.name, new ProxyStandIn(proxy, 'backend'));
		}
		this.#userlists = new Map(model.userlists.map((list) => [list.name, list]));
	}

	frontend(name: string): ProxyStandIn | undefined {
		return this.#frontends.get(name);
	}

	backend(name: string): ProxyStandIn | undefined {
		return this.#backends.get(name);
	}

	userlist(name: string): UserlistModel | undefined {
		return this.#userlists.get(name);
	}
}

/** The names as the lines of one proxy see them. */
export class ProxyContext implements CompileContext {
	readonly diagnostics: Diagnostics;
	readonly model: ConfigModel;
	readonly proxy: ProxyModel | undefined;
	readonly site: RuleSite;
	readonly place: Place;
	readonly process: ProcessView;
	readonly stickCounters: number;
	protected readonly names: Names;
	protected readonly aclsByName: ReadonlyMap<string, readonly Line[]>;

	constructor(
		names: Names,
		proxy: ProxyModel | undefined,
		diagnostics: Diagnostics,
		place: Place = proxy?.place ?? NOWHERE,
		site: RuleSite = 'http-request',
		acls: ReadonlyMap<string, readonly Line[]> = aclsByName(proxy?.acls ?? []),
	) {
		this.names = names;
		this.proxy = proxy;
		this.diagnostics = diagnostics;
		this.place = place;
		this.site = site;
		this.model = names.model;
		this.process = names.process;
		this.stickCounters = names.model.global.tune.stickCounters;
		this.aclsByName = acls;
	}

	table(name: string): StickTable | undefined {
		return this.names.tables.get(name === '' ? (this.proxy?.name ?? '') : name);
	}

	tableNames(): Iterable<string> {
		return this.names.tables.keys();
	}

	frontend(name: string): ProxyView | undefined {
		return this.names.frontend(name === '' ? (this.proxy?.name ?? '') : name);
	}

	backend(name: string): ProxyView | undefined {
		return this.names.backend(name === '' ? (this.proxy?.name ?? '') : name);
	}

	userlist(name: string): UserlistModel | undefined {
		return this.names.userlist(name);
	}

	file(path: string): string | undefined {
		return this.model.files.get(path);
	}

	acls(name: string): readonly Line[] {
		return this.aclsByName.get(name) ?? [];
	}

	/** The same proxy as rules of its defaults section see it: with that section's ACLs and not its own. */
	withAcls(acls: readonly Line[]): ProxyContext {
		return new ProxyContext(this.names, this.proxy, this.diagnostics, this.place, this.site, aclsByName(acls));
	}

	at(place: Place, site: RuleSite = this.site): CompileContext {
		return new ProxyContext(this.names, this.proxy, this.diagnostics, place, site, this.aclsByName);
	}
}

/** The ACLs of a proxy: lines of one name are alternatives. */
function aclsByName(acls: readonly Line[]): ReadonlyMap<string, readonly Line[]> {
	const byName = new Map<string, Line[]>();
	for (const line of acls) {
		const name = line.words[0] ?? '';
		const lines = byName.get(name);
		if (lines === undefined) byName.set(name, [line]);
		else lines.push(line);
	}
	return byName;
}

/** A proxy that other lines refer to before it is built. */
export class ProxyStandIn implements ProxyView {
	readonly name: string;
	readonly id: number;
	readonly mode: 'http' | 'tcp';
	readonly isFrontend: boolean;
	readonly isBackend: boolean;
	readonly defaultBackendName: string | undefined;
	readonly maxconn: number;
	readonly serverTimeoutMs: number | undefined;
	readonly clientTimeoutMs: number | undefined;
	readonly tunnelTimeoutMs: number | undefined;
	readonly #servers: readonly ServerStandIn[];
	#view: ProxyView | undefined;

	constructor(model: ProxyModel, side: 'frontend' | 'backend') {
		this.name = model.name;
		this.id = model.id;
		this.mode = model.mode;
		this.isFrontend = side === 'frontend';
		this.isBackend = side === 'backend';
		this.defaultBackendName = model.defaultBackend?.name;
		this.maxconn = model.maxconn;
		this.serverTimeoutMs = model.timeouts.serverMs;
		this.clientTimeoutMs = model.timeouts.clientMs;
		this.tunnelTimeoutMs = model.timeouts.tunnelMs;
		this.#servers = side === 'backend' ? model.servers.map((server) => new ServerStandIn(server)) : [];
	}

	/** From now on this is that proxy. Servers are matched by id. */
	become(view: ProxyView): void {
		this.#view = view;
		for (const server of this.#servers) {
			const real = view.servers.find(({ id }) => id === server.id);
			if (real !== undefined) server.become(real);
		}
	}

	get #real(): ProxyView {
		if (this.#view === undefined) throw new Error(`proxy ${this.name} was asked before it was built`);
		return this.#view;
	}

	/** Until it is built those of the file, that lines refer to; then those there are. */
	get servers(): readonly ServerView[] {
		return this.#view === undefined ? this.#servers : this.#view.servers;
	}

	/** Whether an argument of some line is this server. */
	isReferenced(serverName: string): boolean {
		return this.#servers.some(({ name, isReferenced }) => name === serverName && isReferenced);
	}

	get table(): StickTable | undefined {
		return this.#real.table;
	}

	get fullconn(): number {
		return this.#real.fullconn;
	}

	currentSessions(): number {
		return this.#real.currentSessions();
	}

	connectionRate(): number {
		return this.#real.connectionRate();
	}

	sessionRate(): number {
		return this.#real.sessionRate();
	}

	requestRate(): number {
		return this.#real.requestRate();
	}

	queuedCount(): number {
		return this.#real.queuedCount();
	}

	usableServerCount(): number {
		return this.#real.usableServerCount();
	}

	usableWeight(): number {
		return this.#real.usableWeight();
	}
}

class ServerStandIn implements ServerView {
	readonly name: string;
	readonly id: number;
	readonly initialWeight: number;
	readonly maxconn: number;
	isReferenced = false;
	#view: ServerView | undefined;

	constructor(model: ProxyModel['servers'][number]) {
		this.name = model.name;
		this.id = model.id;
		this.initialWeight = model.weight;
		this.maxconn = model.maxconn;
	}

	become(view: ServerView): void {
		this.#view = view;
	}

	noteReference(): void {
		this.isReferenced = true;
	}

	get #real(): ServerView {
		if (this.#view === undefined) throw new Error(`server ${this.name} was asked before it was built`);
		return this.#view;
	}

	get address(): string {
		return this.#real.address;
	}

	get port(): number {
		return this.#real.port;
	}

	isUsable(): boolean {
		return this.#real.isUsable();
	}

	effectiveWeight(): number {
		return this.#real.effectiveWeight();
	}

	currentSessions(): number {
		return this.#real.currentSessions();
	}

	queuedCount(): number {
		return this.#real.queuedCount();
	}

	sessionRate(): number {
		return this.#real.sessionRate();
	}
}
