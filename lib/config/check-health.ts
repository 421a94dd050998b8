/**
 * Health checks of a whole configuration: what servers say of their checks must fit together, and `track` must
 * lead to a server that is checked.
 */
import { type Diagnostics, didYouMean } from '../core/diagnostics.js';
import type { ProxyDraft } from './draft.js';
import type { ConfigModel, ProxyModel, ServerModel } from './model.js';
import { isServiceName } from './resolvers-model.js';

export function checkHealthChecks(model: ConfigModel, diagnostics: Diagnostics): void {
	for (const proxy of model.proxies) {
		if (proxy.disabled || proxy.kind === 'frontend') continue;
		checkExternal(model, proxy, diagnostics);
		for (const server of proxy.servers) {
			const alert = (text: string): void =>
				diagnostics.alert(server.place, `'server ${proxy.name}/${server.name}' : ${text}`);
			checkServer(proxy, server, alert, (text) =>
				diagnostics.warning(server.place, `'server ${proxy.name}/${server.name}' : ${text}`),
			);
			if (server.health.track !== undefined) checkTrack(model, proxy, server, alert);
		}
	}
}

/** Programs are started only where `global` says so, twice (manual, 4.2 `option external-check`). */
function checkExternal(
	{ global }: ConfigModel,
	{ name, place, healthCheck }: ProxyModel,
	diagnostics: Diagnostics,
): void {
	if (healthCheck.kind !== 'external') return;
	const subject = `Proxy '${name}' : `;
	if (!global.externalCheck) {
		diagnostics.alert(place, `${subject}'option external-check' unable to find required 'global.external-check'.`);
	} else if (healthCheck.command === '') {
		diagnostics.alert(place, `${subject}'option external-check' unable to find required 'external-check command'.`);
	} else if (!global.forkWanted) {
		diagnostics.alert(
			place,
			`${subject}'insecure-fork-wanted' not enabled in the global section, 'option external-check' would fail.`,
		);
	}
}

/** The program of an `external-check` line does nothing where the option does not ask for it; HAProxy says so too. */
export function warnOfUnusedProgram({ kind, name, place, health }: ProxyDraft, diagnostics: Diagnostics): void {
	if (health.chosen === 'external') return;
	for (const [word, value] of [
		['command', health.externalCommand],
		['path', health.externalPath],
	]) {
		if (value === '') continue;
		diagnostics.warning(
			place,
			`'external-check ${word}' will be ignored for ${kind} '${name}' (requires 'option external-check').`,
		);
	}
}

type Alert = (text: string) => void;

function checkServer(proxy: ProxyModel, server: ServerModel, alert: Alert, warn: Alert): void {
	const { health, check, address } = server;
	if (health.agentCheck && health.agent.port === 0) {
		alert(`server ${server.name} does not have agent port. Agent check has been disabled; give it with 'agent-port'.`);
	}
	if (health.observe !== 'none' && !check) {
		warn(`'observe ${health.observe}' means nothing without 'check'.`);
	}
	if (health.observe === 'layer7' && proxy.mode !== 'http') {
		alert(`unable to enable layer7 health observing: it needs 'mode http'.`);
	}
	// The port of an SRV record comes with it.
	const isService = address.kind === 'name' && isServiceName(address.host);
	if (!check || address.kind === 'unix' || isService) return;
	const hasPort =
		health.checkPort !== undefined || ('port' in address && address.port > 0 && server.portOffset === undefined);
	const { healthCheck } = proxy;
	const steps = 'steps' in healthCheck ? healthCheck.steps : [];
	const connect = steps.find((step) => step.kind === 'connect');
	if (!hasPort && connect?.port === undefined) {
		alert(
			`server ${server.name} has neither service port nor check port, and no 'connect' rule with a port: add 'port'.`,
		);
	}
}

/** A chain of `track` ends at a server with checks, and never comes back to itself. */
function checkTrack(model: ConfigModel, proxy: ProxyModel, server: ServerModel, alert: Alert): void {
	if (server.check || server.health.agentCheck) {
		alert(`unable to use both 'track' and checks of its own.`);
		return;
	}
	const seen = new Set<ServerModel>();
	let at: { readonly proxy: ProxyModel; readonly server: ServerModel } = { proxy, server };
	while (at.server.health.track !== undefined) {
		if (seen.has(at.server)) {
			alert(`'track' leads in a circle.`);
			return;
		}
		seen.add(at.server);
		const { backend, server: name } = at.server.health.track;
		const target = backend === undefined ? at.proxy : findBackend(model, backend);
		if (target === undefined) {
			const names = model.proxies.filter(({ kind }) => kind !== 'frontend').map((one) => one.name);
			alert(`unable to find required proxy '${backend}' for tracking${didYouMean(backend ?? '', names)}`);
			return;
		}
		const tracked = target.servers.find((one) => one.name === name);
		if (tracked === undefined) {
			const names = target.servers.map((one) => one.name);
			alert(`unable to find required server '${name}' for tracking${didYouMean(name, names)}`);
			return;
		}
		at = { proxy: target, server: tracked };
	}
	if (!at.server.check && !at.server.health.agentCheck) {
		alert(
			`unable to use ${at.proxy.name}/${at.server.name} for tracking as it does not have any check nor agent enabled.`,
		);
	} else if (disablesOn404(proxy) !== disablesOn404(at.proxy)) {
		alert(`unable to use ${at.proxy.name}/${at.server.name} for tracking: disable-on-404 option inconsistency.`);
	}
}

const findBackend = (model: ConfigModel, name: string): ProxyModel | undefined =>
	model.proxies.find((proxy) => proxy.kind !== 'frontend' && proxy.name === name);

const disablesOn404 = ({ healthCheck }: ProxyModel): boolean =>
	healthCheck.kind === 'httpchk' && healthCheck.disableOn404;
