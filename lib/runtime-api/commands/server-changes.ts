/**
 * Changing servers at run time (management guide, 9.3): `set server`, `set weight`, `get weight`, `set maxconn server`,
 * `enable` and `disable server|health|agent`. States, weights and limits are in shared memory and hold for every
 * thread from the next request on; data threads are told, because waiting requests may now have a server, or none.
 */
import { hasDynamicBalance } from '../../backend/balance/index.js';
import type { Server } from '../../backend/server.js';
import { isHostName } from '../../config/address.js';
import { IpAddress } from '../../core/address.js';
import { ServerAdmin, ServerOperation } from '../../shared/server-state.js';
import { type Answer, type Command, DONE, fault, type Invocation, info, type Message } from '../command.js';
import type { RuntimeView } from '../runtime-view.js';
import { findServer, type NamedServer, serversChanged } from './names.js';

const MAX_WEIGHT = 256;

type Change = (named: NamedServer, words: readonly string[], view: RuntimeView) => Answer;

/** A command whose third word, or the one at `at`, names a server. */
function onServer(change: Change, at = 2): Command['run'] {
	return ({ words, view }: Invocation) => {
		const named = findServer(view, words[at]);
		return 'severity' in named ? named : change(named, words.slice(at + 1), view);
	};
}

// ---- administrative and operational state

function setAdminState({ traffic, server }: NamedServer, flags: number, view: RuntimeView): Answer {
	const monitor = view.monitorOf?.(server);
	if (monitor !== undefined) {
		monitor.administer(flags);
		return DONE;
	}
	const { states, index } = server;
	const nowMs = view.clock.monotonicMs();
	const wasInMaintenance = states.isInMaintenance(index);
	states.setAdmin(index, flags, nowMs);
	// Who comes back is up until a check says otherwise, as after the start.
	if (wasInMaintenance && !states.isInMaintenance(index)) states.setOperation(index, ServerOperation.UP, nowMs);
	serversChanged(view, traffic);
	return DONE;
}

/** Flags that others own (tracking, name resolution) stay as they are. */
function inheritedFlags({ states, index }: Server): number {
	return states.admin(index) & ~(ServerAdmin.FORCED_MAINT | ServerAdmin.FORCED_DRAIN);
}

const setState: Change = (named, words, view) => {
	const kept = inheritedFlags(named.server);
	switch (words[0]) {
		case 'ready':
			return setAdminState(named, kept, view);
		case 'drain':
			return setAdminState(named, kept | ServerAdmin.FORCED_DRAIN, view);
		case 'maint':
			return setAdminState(named, kept | ServerAdmin.FORCED_MAINT, view);
		default:
			return fault("'set server <srv> state' expects 'ready', 'drain' and 'maint'.");
	}
};

const enableServer: Change = (named, _words, view) => {
	const { states, index } = named.server;
	// HAProxy's "enable" means "ready": it ends draining, too.
	return setAdminState(named, states.admin(index) & ~(ServerAdmin.FORCED_MAINT | ServerAdmin.FORCED_DRAIN), view);
};

const disableServer: Change = (named, _words, view) => {
	const { states, index } = named.server;
	return setAdminState(named, states.admin(index) | ServerAdmin.FORCED_MAINT, view);
};

const HEALTH: ReadonlyMap<string, ServerOperation> = new Map([
	['up', ServerOperation.UP],
	['stopping', ServerOperation.STOPPING],
	['down', ServerOperation.DOWN],
]);

const setHealth: Change = ({ traffic, server }, words, view) => {
	const operation = HEALTH.get(words[0] ?? '');
	if (operation === undefined) return fault("'set server <srv> health' expects 'up', 'stopping', or 'down'.");
	const monitor = view.monitorOf?.(server);
	if (monitor !== undefined) {
		monitor.forceHealth(operation);
		return DONE;
	}
	server.states.setOperation(server.index, operation, view.clock.monotonicMs());
	serversChanged(view, traffic);
	return DONE;
};

// ---- weight and maxconn

const setWeight: Change = ({ traffic, server }, words, view) => {
	const word = words[0] ?? '';
	if (word === '') return fault('Require <weight> or <weight%>.');
	const match = /^([+-]?\d{1,9})(.*)$/.exec(word);
	if (match === null) return fault('Empty weight string empty or preceded by garbage');
	const [, digits = '', tail = ''] = match;
	if (tail !== '' && tail !== '%') return fault('Trailing garbage in weight string');
	let weight = Number(digits);
	if (tail === '%') {
		if (weight < 0) return fault('Relative weight must be positive.');
		weight = Math.min(MAX_WEIGHT, Math.floor((server.initialWeight * weight) / 100));
	} else if (weight < 0 || weight > MAX_WEIGHT) {
		return fault('Absolute weight can only be between 0 and 256 inclusive.');
	}
	if (!hasDynamicBalance(traffic.model) && weight !== 0 && weight !== server.initialWeight) {
		return fault("Backend is using a static LB algorithm and only accepts weights '0%' and '100%'.");
	}
	server.states.setWeight(server.index, weight);
	serversChanged(view, traffic);
	return DONE;
};

const getWeight: Change = ({ server }) => `${server.states.weight(server.index)} (initial ${server.initialWeight})\n`;

const setMaxconn: Change = ({ traffic, server }, words, view) => {
	const word = words[0] ?? '';
	if (word === '') return fault('Require <maxconn>.');
	if (!/^[+-]?\d/.test(word)) return fault('maxconn string empty or preceded by garbage');
	if (!/^\+?\d{1,9}$/.test(word)) return fault('Trailing garbage in maxconn string');
	server.states.setMaxconn(server.index, Number(word));
	serversChanged(view, traffic);
	return DONE;
};

// ---- address

const BY = "by 'stats socket command'";

const setAddress: Change = ({ traffic, server }, words, view) => {
	const [addressWord, portKeyword, portWord = ''] = words;
	if (addressWord === undefined) return fault('set server <b>/<s> addr requires an address and optionally a port.');
	const address = IpAddress.parse(addressWord);
	if (address === undefined) return fault(`Invalid addr '${addressWord}' ${BY}`);
	if (server.model.address.kind === 'unix') return fault('The server has no IP address to change.');
	const oldHost = server.address;
	const oldPort = server.port;
	const changes: string[] = [];
	const host = address.toString();
	changes.push(host === oldHost ? 'no need to change the addr' : `IP changed from '${oldHost}' to '${host}'`);
	let port = oldPort;
	if (portKeyword === 'port') {
		if (/^[+-]/.test(portWord)) return fault('A port relative to that of the client cannot be set at run time.');
		const wanted = /^\d{1,5}$/.test(portWord) ? Number(portWord) : Number.NaN;
		if (!(wanted >= 1 && wanted <= 65535)) {
			return fault(`${changes[0]}, problem converting port '${portWord}' to an int ${BY}`);
		}
		if (server.model.portOffset !== undefined) {
			return fault("The server's port is relative to that of the client and cannot be set at run time.");
		}
		port = wanted;
		changes.push(port === oldPort ? 'no need to change the port' : `port changed from '${oldPort}' to '${port}'`);
	} else if (portKeyword !== undefined) return fault(`'port <port>' expected instead of '${portKeyword}'.`);
	if (host !== oldHost || port !== oldPort) {
		const { family } = address;
		server.setAddress(host, family, port);
		view.threads.tell({
			kind: 'server-address',
			backend: traffic.model.name,
			server: server.name,
			host,
			family,
			port,
		});
	}
	return info(`${changes.join(', ')} ${BY}`);
};

const setHostName: Change = ({ traffic, server }, words, view) => {
	const [name] = words;
	if (name === undefined) return fault('set server <b>/<s> fqdn requires a FQDN.');
	const former = server.hostName;
	if (former === undefined || server.model.resolution.resolvers === undefined) {
		return fault('set server <b>/<s> fqdn failed because no resolution is configured.');
	}
	const label = `${traffic.model.name}/${server.name}`;
	if (former === name) return info(`no need to change the FQDN ${BY}`);
	if (!isHostName(name) || view.resolvers?.rename(server, name) !== true) {
		return fault(`could not update ${label} FQDN ${BY}.`);
	}
	return info(`${label} changed its FQDN from ${former} to ${name} ${BY}`);
};

// ---- checks and agents

const NO_CHECKS = 'health checks are not enabled on this server';
const NO_AGENT = 'agent checks are not enabled on this server.';

type Monitor = NonNullable<ReturnType<NonNullable<RuntimeView['monitorOf']>>>;

/** A change of the agent of a server that has one. */
function onAgent(change: (monitor: Monitor, words: readonly string[]) => Answer, refusal = NO_AGENT): Change {
	return ({ server }, words, view) => {
		const monitor = server.model.health.agentCheck ? view.monitorOf?.(server) : undefined;
		return monitor === undefined ? fault(refusal) : change(monitor, words);
	};
}

const setAgent = onAgent((monitor, words) => {
	if (words[0] !== 'up' && words[0] !== 'down') return fault("'set server <srv> agent' expects 'up' or 'down'.");
	monitor.forceAgent(words[0] === 'up');
	return DONE;
});

const setAgentPort = onAgent(
	(monitor, words) => {
		const port = portOf(words[0]);
		if (port === undefined) return fault('provided port is not an integer');
		monitor.agentEndpoint.port = port;
		return DONE;
	},
	NO_AGENT.slice(0, -1),
);

const setAgentAddress = onAgent(
	(monitor, words) => {
		const found = endpointOf(words, 'agent-addr');
		if ('severity' in found) return found;
		monitor.agentEndpoint.host = found.host;
		if (found.port !== undefined) monitor.agentEndpoint.port = found.port;
		return DONE;
	},
	NO_AGENT.slice(0, -1),
);

const setAgentSend = onAgent((monitor, words) => {
	monitor.agentEndpoint.send = words[0] ?? '';
	return DONE;
});

/** 0 is taken, and gives back what the line says, where the line says something. */
function portOf(word: string | undefined): number | undefined {
	const port = /^\d{1,5}$/.test(word ?? '') ? Number(word) : Number.NaN;
	return port >= 0 && port <= 65535 ? port : undefined;
}

/** `<address> [port <port>]`. */
function endpointOf(
	[word, keyword, portWord]: readonly string[],
	setting: string,
): { readonly host: string; readonly port: number | undefined } | Message {
	if (word === undefined) return fault(`set server <b>/<s> ${setting} requires an address and optionally a port.`);
	const address = IpAddress.parse(word);
	if (address === undefined) return fault(`invalid addr '${word}'`);
	if (keyword === undefined) return { host: address.toString(), port: undefined };
	const port = keyword === 'port' ? portOf(portWord) : undefined;
	if (port === undefined) return fault('provided port is not an integer');
	return { host: address.toString(), port };
}

/** A change of where a server is checked. */
function onCheck(change: (monitor: Monitor, words: readonly string[]) => Answer): Change {
	return ({ server }, words, view) => {
		const monitor = server.model.check ? view.monitorOf?.(server) : undefined;
		return monitor === undefined ? fault(NO_CHECKS) : change(monitor, words);
	};
}

const setCheckPort = onCheck((monitor, words) => {
	const port = portOf(words[0]);
	if (port === undefined) return fault('provided port is not an integer');
	monitor.checkEndpoint.port = port === 0 ? monitor.server.model.health.checkPort : port;
	return DONE;
});

const setCheckAddress = onCheck((monitor, words) => {
	const found = endpointOf(words, 'check-addr');
	if ('severity' in found) return found;
	monitor.checkEndpoint.host = found.host;
	if (found.port !== undefined && found.port > 0) monitor.checkEndpoint.port = found.port;
	return DONE;
});

function setAgentEnabled(enabled: boolean): Change {
	return ({ server }, _words, view) => {
		const monitor = server.model.health.agentCheck ? view.monitorOf?.(server) : undefined;
		if (monitor !== undefined) monitor.agentEnabled = enabled;
		else if (enabled) return fault('Agent was not configured on this server, cannot enable.');
		return DONE;
	};
}

function setCheck(enabled: boolean): Change {
	return ({ server }, _words, view) => {
		if (!server.model.check || view.setCheckEnabled === undefined) {
			return enabled ? fault('Health check was not configured on this server, cannot enable.') : DONE;
		}
		view.setCheckEnabled(server, enabled);
		return DONE;
	};
}

// ---- set server

const SETTINGS: ReadonlyMap<string, Change> = new Map<string, Change>([
	['addr', setAddress],
	['agent', setAgent],
	['agent-addr', setAgentAddress],
	['agent-port', setAgentPort],
	['agent-send', setAgentSend],
	['check-addr', setCheckAddress],
	['check-port', setCheckPort],
	['fqdn', setHostName],
	['health', setHealth],
	['ssl', () => fault("'set server <srv> ssl' cannot be set.  default-server should define ssl settings")],
	['state', setState],
	['weight', setWeight],
]);

const setServer: Change = (named, words, view) => {
	const setting = SETTINGS.get(words[0] ?? '');
	if (setting === undefined) return fault(`usage: set server <backend>/<server> ${[...SETTINGS.keys()].join(' | ')}`);
	return setting(named, words.slice(1), view);
};

export const SERVER_CHANGE_COMMANDS: readonly Command[] = [
	{
		words: ['set', 'server'],
		level: 'admin',
		usage: 'set server <bk>/<srv> [opts]',
		help: "change a server's state, health, weight or address",
		run: onServer(setServer),
	},
	{
		words: ['set', 'weight'],
		level: 'admin',
		usage: 'set weight <bk>/<srv>  (DEPRECATED)',
		help: "change a server's weight ('set server' does it too)",
		run: onServer(setWeight),
	},
	{
		words: ['get', 'weight'],
		level: 'user',
		usage: 'get weight <bk>/<srv>',
		help: "a server's present weight",
		run: onServer(getWeight),
	},
	{
		words: ['set', 'maxconn', 'server'],
		level: 'admin',
		usage: 'set maxconn server <bk>/<srv>',
		help: "change a server's limit of connections, 0 for none",
		run: onServer(setMaxconn, 3),
	},
	{
		words: ['enable', 'server'],
		level: 'admin',
		usage: 'enable server  (DEPRECATED)',
		help: "end a server's maintenance ('set server' does it too)",
		run: onServer(enableServer),
	},
	{
		words: ['disable', 'server'],
		level: 'admin',
		usage: 'disable server (DEPRECATED)',
		help: "begin a server's maintenance ('set server' does it too)",
		run: onServer(disableServer),
	},
	{
		words: ['enable', 'health'],
		level: 'admin',
		usage: 'enable health',
		help: "check a server's health again",
		run: onServer(setCheck(true)),
	},
	{
		words: ['disable', 'health'],
		level: 'admin',
		usage: 'disable health',
		help: "stop checking a server's health",
		run: onServer(setCheck(false)),
	},
	{
		words: ['enable', 'agent'],
		level: 'admin',
		usage: 'enable agent',
		help: 'ask the agent of a server again',
		run: onServer(setAgentEnabled(true)),
	},
	{
		words: ['disable', 'agent'],
		level: 'admin',
		usage: 'disable agent',
		help: 'stop asking the agent of a server',
		run: onServer(setAgentEnabled(false)),
	},
];
