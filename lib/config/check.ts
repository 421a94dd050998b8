/**
 * From drafts to the model, and the checks that only the whole configuration allows: names that must lead
 * somewhere, names and numbers that must be unique, modes that must fit. Proxies and the global section are made here;
 * what else needs more than a few lines has its own file, `check-<what>.ts`.
 */
import { formatSocketAddress } from '../core/address.js';
import { Diagnostics, didYouMean, type Place } from '../core/diagnostics.js';
import { addSums, finishAggregation } from './check-aggregations.js';
import { checkFilters, finishCaches } from './check-filters.js';
import { checkHealthChecks, warnOfUnusedProgram } from './check-health.js';
import { finishLogForwards } from './check-log-forward.js';
import { checkLogProfiles } from './check-log-profiles.js';
import { finishPeers } from './check-peers.js';
import { finishForMode } from './check-proxy.js';
import { checkReferences } from './check-references.js';
import { RingNames } from './check-rings.js';
import { checkSupported } from './check-supported.js';
import type { GlobalDraft, ProxyDraft, ServerDraft, UserlistDraft } from './draft.js';
import { finishBinds, giveIds } from './ids.js';
import { readAllFiles } from './included-files.js';
import type { LoadOptions } from './index.js';
import { finishHealthCheck } from './keywords/health-checks.js';
import { defaultResolvers } from './keywords/resolvers.js';
import type {
	BindModel,
	ConfigModel,
	ErrorReplyModel,
	GlobalModel,
	HttpErrorsModel,
	InheritedRulesModel,
	PeersModel,
	ProxyKind,
	ProxyModel,
	ServerModel,
	StickTableModel,
	UserlistModel,
} from './model.js';
import type { ResolversModel } from './resolvers-model.js';
import { applyStateFiles } from './server-state-file.js';
import type { ParserState } from './state.js';

const MAX_THREADS = 64;

/** The first proxy is number 2: HAProxy keeps 1 for one of its own. */
const FIRST_PROXY_ID = 2;

const at = (place: Place): string => `${place.file}:${place.line}`;

/** Makes the model. It is whole only if no alert was given; the caller looks at that. */
export function checkConfiguration(state: ParserState, options: LoadOptions): ConfigModel {
	const { diagnostics } = state;
	const rings = new RingNames(state.rings, diagnostics);
	const global = finishGlobal(state, options, rings);
	const groups = state.httpErrors satisfies readonly HttpErrorsModel[];
	checkProxyNames(state.proxies, diagnostics);
	checkSidesOfDefaults(state.proxies, diagnostics);
	const ids = giveIds(state.proxies, FIRST_PROXY_ID, (proxy) => proxy.place, 'proxy', diagnostics);
	const proxies = state.proxies.map((draft, index) =>
		finishProxy(draft, ids[index] ?? 0, global, groups, rings, diagnostics),
	);
	const unusedDefaults = finishUnusedDefaults(state, global, groups, rings);
	const peers = state.peers.map((draft) => finishPeers(draft, global, state, rings));
	const userlists = state.userlists.map((draft) => finishUserlist(draft, diagnostics));
	const aggregations = state.aggregations.map((draft) =>
		finishAggregation(draft, (localName) => finishPeers(draft.section, global, state, rings, localName), diagnostics),
	);
	const logForwards = finishLogForwards(
		state.logForwards,
		{
			proxies: state.proxies,
			globalTargets: state.global.logTargets,
			rings,
			finishProxy: (draft, remarks) => finishProxy(draft, 0, global, groups, rings, remarks),
		},
		diagnostics,
	);
	const listening = [...proxies, ...logForwards.map(({ connections }) => connections)];
	checkListeners(listening, [...peers, ...aggregations.flatMap(({ section }) => section ?? [])], diagnostics);
	readAllFiles([...proxies, ...unusedDefaults], state);
	const plain: ConfigModel = {
		global,
		...addStickStores(applyStateFiles(proxies, state), peers),
		aggregations,
		rings: rings.rings,
		logProfiles: state.logProfiles,
		logForwards,
		resolvers: finishResolvers(state),
		updates: state.updates,
		userlists,
		httpErrors: groups,
		unusedDefaults,
		caches: finishCaches(state.caches, diagnostics),
		files: state.files,
	};
	const model = addSums(plain, state.tableRefused, diagnostics);
	checkLogProfiles(model, diagnostics);
	checkReferences(model, diagnostics, state.tableRefused);
	checkFilters(model, diagnostics);
	checkHealthChecks(model, diagnostics);
	checkSupported(model, diagnostics);
	return model;
}

/** With the section `default` of the system's own name servers, when nothing else is called so (manual, 5.3.2). */
function finishResolvers(state: ParserState): ResolversModel[] {
	const { resolvers } = state;
	for (const { name, place, nameservers } of resolvers) {
		if (nameservers.length > 0) continue;
		state.diagnostics.warning(place, `resolvers '${name}' [${at(place)}] has no nameservers configured!`);
	}
	if (resolvers.some(({ name }) => name === 'default')) return resolvers;
	const ofSystem = defaultResolvers(state);
	return ofSystem === undefined ? resolvers : [...resolvers, ofSystem];
}

function finishGlobal(state: ParserState, options: LoadOptions, rings: RingNames): GlobalModel {
	const draft: GlobalDraft = state.global;
	const given = options.arguments ?? {};
	const localpeer = given.localpeer ?? draft.localpeer ?? options.hostName;
	const { tune } = draft;
	if (tune.maxrewriteBytes > tune.bufsizeBytes / 2) {
		// Readjusted without a word (manual, 3.2 `tune.maxrewrite`).
		tune.maxrewriteBytes = Math.floor(tune.bufsizeBytes / 2);
	}
	const {
		defaultPath: _path,
		seen: _seen,
		maxrewriteSet: _set,
		crtBase,
		serverStateBase: _stateBase,
		serverStateFile: _stateFile,
		caBase,
		bindTlsDefaults: _bindTls,
		serverTlsDefaults,
		...kept
	} = draft;
	return {
		...kept,
		tune: { ...tune },
		logTargets: draft.logTargets.map((target) => rings.resolve(target)),
		serverLineDefaults: { crtBase, caBase, tls: { ...serverTlsDefaults } },
		logSendHostname: draft.logSendHostname === '' ? options.hostName : draft.logSendHostname,
		daemon: given.daemon ?? draft.daemon,
		masterWorker: given.masterWorker === true || draft.masterWorker,
		nbthread: draft.nbthread ?? Math.min(MAX_THREADS, Math.max(1, options.cores)),
		maxconn: given.maxconn ?? draft.maxconn,
		pidfile: given.pidfile ?? draft.pidfile,
		localpeer,
		localpeerOrigin: given.localpeer !== undefined ? '-L' : draft.localpeer !== undefined ? 'localpeer' : 'host name',
		environment: new Map(state.environment),
	};
}

/** Rules of a defaults section are of one side: which of them a listen would run where is not told (manual, 4.2 `http-request`). */
function checkSidesOfDefaults(proxies: readonly ProxyDraft[], diagnostics: Diagnostics): void {
	const sides = new Map<ProxyDraft, ProxyDraft['kind']>();
	for (const { kind, place, defaults } of proxies) {
		const rules = defaults === undefined ? undefined : inheritedRulesOf({ ...defaults, acls: [] });
		if (defaults === undefined || rules === undefined) continue;
		const before = sides.get(defaults);
		if (kind === 'listen') {
			diagnostics.alert(place, `a listen section cannot inherit from a defaults section defining TCP/HTTP rules.`);
		} else if (before !== undefined && before !== kind) {
			diagnostics.alert(
				place,
				`frontends and backends cannot inherit from the same defaults section if it defines TCP/HTTP rules (defaults section at ${at(defaults.place)}).`,
			);
		} else sides.set(defaults, kind);
	}
}

/** Frontends and backends may share a name, two of one side may not (manual, chapter 4). */
function checkProxyNames(proxies: readonly ProxyDraft[], diagnostics: Diagnostics): void {
	const frontends = new Map<string, ProxyDraft>();
	const backends = new Map<string, ProxyDraft>();
	for (const proxy of proxies) {
		const sides = [proxy.kind === 'backend' ? undefined : frontends, proxy.kind === 'frontend' ? undefined : backends];
		const twin = sides.map((side) => side?.get(proxy.name)).find((found) => found !== undefined);
		if (twin !== undefined) {
			diagnostics.alert(
				proxy.place,
				`${proxy.kind} '${proxy.name}' has the same name as ${twin.kind} '${twin.name}' declared at ${at(twin.place)}.`,
			);
		}
		for (const side of sides) if (side !== undefined && !side.has(proxy.name)) side.set(proxy.name, proxy);
	}
}

function finishServers(proxy: ProxyDraft, diagnostics: Diagnostics): ServerModel[] {
	const names = new Map<string, ServerDraft>();
	for (const server of proxy.servers) {
		const twin = names.get(server.name);
		if (twin === undefined) names.set(server.name, server);
		else {
			diagnostics.alert(
				server.place,
				`${proxy.kind} '${proxy.name}', another server named '${server.name}' was already defined at line ${twin.place.line}, please use distinct names.`,
			);
		}
	}
	const ids = giveIds(proxy.servers, 1, (server) => server.place, 'server', diagnostics);
	for (const { name, place, tls, checkTls } of proxy.servers) {
		const settings = tls ?? checkTls;
		if (settings?.verify !== 'required' || settings.caFile !== undefined) continue;
		diagnostics.alert(
			place,
			`'server ${proxy.name}/${name}' : verify is enabled by default but no CA file specified. If you're running on a LAN where you're certain to trust the server's certificate, please set an explicit 'verify none' statement on the 'server' line, or use 'ssl-server-verify none' in the global section to disable server-side verifications by default.`,
		);
	}
	return proxy.servers.map((server, index) => finishServer(server, ids[index] ?? 0, proxy.source));
}

export function finishServer(server: ServerDraft, id: number, source: ServerModel['source']): ServerModel {
	const {
		tlsDraft: _draft,
		tlsEnabled: _enabled,
		verifyGiven: _given,
		shard: _shard,
		sendsLine: _line,
		sendsBinary: _binary,
		...kept
	} = server;
	// `minconn` alone, or not below `maxconn`, is a plain limit (manual, 5.2 `minconn`).
	const plain = server.minconn > 0 && server.minconn >= server.maxconn;
	return {
		...kept,
		source: server.source ?? source,
		id,
		idGiven: server.id !== undefined,
		maxconn: plain ? server.minconn : server.maxconn,
		minconn: plain ? 0 : server.minconn,
	};
}

function finishProxy(
	draft: ProxyDraft,
	id: number,
	global: GlobalModel,
	groups: readonly HttpErrorsModel[],
	rings: RingNames,
	diagnostics: Diagnostics,
): ProxyModel {
	const kind = draft.kind as ProxyKind;
	const {
		binds,
		servers,
		logs,
		errorSources,
		redirects,
		statsDraft,
		serverDefaults: _defaults,
		defaults,
		health: _health,
		modePlace: _mode,
		dispatchDraft: _dispatch,
		balanceGiven: _balanceGiven,
		backlogSet: _backlog,
		...kept
	} = draft;
	const model: ProxyModel = {
		...kept,
		kind,
		id,
		idGiven: draft.id !== undefined,
		stats: statsDraft,
		maxconn: kind === 'backend' ? 0 : draft.maxconn || (global.maxconn ?? 0),
		options: { ...draft.options },
		timeouts: { ...draft.timeouts },
		binds: finishBinds(binds, diagnostics),
		servers: finishServers(draft, diagnostics),
		dispatch: finishDispatch(draft, diagnostics),
		healthCheck: finishHealthCheck(draft, (step, text) =>
			diagnostics.alert(step.place, `${kind} '${draft.name}' : ${text}`),
		),
		httpRequest: [...draft.httpRequest, ...redirects],
		logTargets: rings.resolveAll(logs, global.logTargets),
		errorReplies: finishErrorReplies(draft, errorSources, groups, diagnostics),
		inheritedRules: defaults === undefined ? undefined : inheritedRulesOf(defaults),
	};
	if (kind !== 'frontend') warnOfUnusedProgram(draft, diagnostics);
	if (kind !== 'frontend') warnOfUnusedSteps(draft, diagnostics);
	return finishForMode(model, diagnostics);
}

function finishDispatch(
	{ dispatchDraft, balanceGiven, name }: ProxyDraft,
	diagnostics: Diagnostics,
): ServerModel | undefined {
	if (dispatchDraft === undefined) return undefined;
	if (!balanceGiven) return finishServer(dispatchDraft, 0, undefined);
	diagnostics.warning(undefined, `dispatch address of proxy '${name}' will be ignored in balance mode.`);
	return undefined;
}

/** Steps of a kind of check that is not chosen. */
function warnOfUnusedSteps({ kind, name, health }: ProxyDraft, diagnostics: Diagnostics): void {
	const label = `${kind === 'listen' ? 'proxy' : kind} '${name}'`;
	for (const [keyword, option, steps] of [
		['http-check', 'httpchk', health.httpSteps],
		['tcp-check', 'tcp-check', health.tcpSteps],
	] as const) {
		if (steps.length === 0 || health.chosen === option) continue;
		diagnostics.warning(
			undefined,
			`${label} uses ${keyword} rules without 'option ${option}', so the rules are ignored.`,
		);
	}
}

/** As a proxy of both sides, of which nothing is said but what is wrong with its rules. */
function finishUnusedDefaults(
	state: ParserState,
	global: GlobalModel,
	groups: readonly HttpErrorsModel[],
	rings: RingNames,
): ProxyModel[] {
	const used = new Set(state.proxies.map(({ defaults }) => defaults));
	return state.defaults
		.filter((draft) => !used.has(draft) && inheritedRulesOf(draft) !== undefined)
		.map((draft) =>
			finishProxy({ ...draft, kind: 'listen', errorSources: [] }, 0, global, groups, rings, new Diagnostics()),
		);
}

/** The rules of a defaults section, or undefined if it has none. */
function inheritedRulesOf(defaults: ProxyDraft): InheritedRulesModel | undefined {
	const { place, acls, tcpRequestConnection, tcpRequestSession, tcpRequestContent, tcpResponseContent } = defaults;
	const { httpRequest, httpResponse, httpAfterResponse } = defaults;
	const lists = {
		acls,
		tcpRequestConnection,
		tcpRequestSession,
		tcpRequestContent,
		tcpResponseContent,
		httpRequest,
		httpResponse,
		httpAfterResponse,
	};
	return Object.values(lists).some((list) => list.length > 0) ? { place, ...lists } : undefined;
}

function finishErrorReplies(
	proxy: ProxyDraft,
	sources: ProxyDraft['errorSources'],
	groups: readonly HttpErrorsModel[],
	diagnostics: Diagnostics,
): Map<number, ErrorReplyModel> {
	const replies = new Map<number, ErrorReplyModel>();
	for (const source of sources) {
		if (source.kind === 'reply') {
			replies.set(source.status, source.reply);
			continue;
		}
		const group = groups.find((candidate) => candidate.name === source.name);
		if (group === undefined) {
			diagnostics.alert(
				source.place,
				`proxy '${proxy.name}': unable to find the http-errors section '${source.name}'${didYouMean(
					source.name,
					groups.map((candidate) => candidate.name),
				)}`,
			);
			continue;
		}
		for (const [status, reply] of group.replies) {
			if (source.codes.length === 0 || source.codes.includes(status)) replies.set(status, reply);
		}
		for (const code of source.codes) {
			if (group.replies.has(code)) continue;
			diagnostics.alert(
				source.place,
				`proxy '${proxy.name}': status ${code} is not declared in the http-errors section '${source.name}'.`,
			);
		}
	}
	return replies;
}

function finishUserlist(draft: UserlistDraft, diagnostics: Diagnostics): UserlistModel {
	for (const member of draft.members) {
		for (const name of member.users) {
			const user = draft.users.find((candidate) => candidate.name === name);
			if (user === undefined) {
				diagnostics.alert(
					member.place,
					`userlist '${draft.name}': no such user '${name}' specified in group '${member.group}'.`,
				);
			} else if (!user.groups.includes(member.group)) user.groups.push(member.group);
		}
	}
	for (const user of draft.users) {
		for (const group of user.groups) {
			if (draft.groups.includes(group)) continue;
			diagnostics.alert(
				user.place,
				`userlist '${draft.name}': no such group '${group}' specified in user '${user.name}'.`,
			);
		}
	}
	return {
		place: draft.place,
		name: draft.name,
		groups: draft.groups,
		users: draft.users.map(({ place: _place, ...user }) => user),
	};
}

/** Two listeners on one address: the master binds each address once, the second could never be had. */
function checkListeners(proxies: readonly ProxyModel[], peers: readonly PeersModel[], diagnostics: Diagnostics): void {
	const known = new Map<string, BindModel>();
	const binds = [
		...proxies.filter((proxy) => !proxy.disabled).flatMap((proxy) => proxy.binds),
		...peers.filter((section) => !section.disabled).flatMap((section) => section.bind ?? []),
	];
	for (const bind of binds) {
		const key = formatSocketAddress(bind.address);
		const twin = known.get(key);
		if (twin === undefined) known.set(key, bind);
		else diagnostics.alert(bind.place, `'bind' : ${key} is already listened on at ${at(twin.place)}.`);
	}
}

/** `stick` rules keep the server in their table, so it stores what they need without being told. */
function addStickStores(
	proxies: readonly ProxyModel[],
	peers: readonly PeersModel[],
): { readonly proxies: readonly ProxyModel[]; readonly peers: readonly PeersModel[] } {
	const used = new Set<string>();
	for (const proxy of proxies) {
		for (const rule of proxy.stickRules) used.add(tableOfRule(rule.words) ?? proxy.name);
	}
	if (used.size === 0) return { proxies, peers };
	const withStores = (table: StickTableModel): StickTableModel => {
		if (!used.has(table.name)) return table;
		const missing = ['server_id', 'server_key'].filter((type) => !table.store.some((data) => data.type === type));
		const added = missing.map((type) => ({ type, periodMs: undefined, count: undefined }));
		return { ...table, store: [...table.store, ...added] };
	};
	return {
		proxies: proxies.map((proxy) =>
			proxy.stickTable === undefined ? proxy : { ...proxy, stickTable: withStores(proxy.stickTable) },
		),
		peers: peers.map((section) => ({ ...section, tables: section.tables.map(withStores) })),
	};
}

function tableOfRule(words: readonly string[]): string | undefined {
	const index = words.indexOf('table');
	return index === -1 ? undefined : words[index + 1];
}
