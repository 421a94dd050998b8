/** `log-forward` sections (manual, 3.10) from drafts to models: their names, their listeners, their targets. */
import { Diagnostics } from '../core/diagnostics.js';
import type { RingNames } from './check-rings.js';
import type { ProxyDraft } from './draft.js';
import type { LogForwardDraft } from './keywords/log-forward.js';
import type { LogForwardModel, LogForwardTargetModel } from './log-model.js';
import type { ConfigModel, LogTargetModel, ProxyModel } from './model.js';

/** What the sections need of the rest of the configuration. */
export interface LogForwardSurroundings {
	readonly proxies: readonly ProxyDraft[];
	/** Targets of the `global` section, before rings were found for them. */
	readonly globalTargets: readonly LogTargetModel[];
	readonly rings: RingNames;
	/** Makes a model of a section's connections, which are those of a frontend. */
	readonly finishProxy: (draft: ProxyDraft, diagnostics: Diagnostics) => ProxyModel;
}

export function finishLogForwards(
	drafts: readonly LogForwardDraft[],
	surroundings: LogForwardSurroundings,
	diagnostics: Diagnostics,
): LogForwardModel[] {
	return drafts.map((draft, index) => {
		const { name, place } = draft;
		const twin = drafts.slice(0, index).find((other) => other.name === name);
		const proxy = surroundings.proxies.find((other) => other.name === name);
		if (twin !== undefined) {
			diagnostics.alert(
				place,
				`log-forward section '${name}' has the same name as another log-forward section declared at ${twin.place.file}:${twin.place.line}.`,
			);
		}
		if (proxy !== undefined) {
			diagnostics.alert(
				place,
				`log forward section '${name}' has the same name as ${proxy.kind} '${name}' declared at ${proxy.place.file}:${proxy.place.line}.`,
			);
		}
		return finish(draft, surroundings, diagnostics);
	});
}

function finish(
	{ connections, ...draft }: LogForwardDraft,
	{ globalTargets, rings, finishProxy }: LogForwardSurroundings,
	diagnostics: Diagnostics,
): LogForwardModel {
	const { place, name, datagramBinds } = draft;
	if (connections.binds.length === 0 && datagramBinds.length === 0) {
		diagnostics.warning(
			undefined,
			`frontend '${name}' has no 'bind' directive. Please declare it as a backend if this was intended.`,
		);
	}
	const targets = connections.logs
		.flatMap((log) => (log === 'global' ? globalTargets : [log]))
		.map(
			(log): LogForwardTargetModel => ({
				target: rings.resolve(log),
				// Messages of a ring have the format of the ring.
				keepsFormat: !log.formatGiven && log.target.kind !== 'ring',
			}),
		);
	if (targets.length === 0) {
		diagnostics.notice(place, `log-forward '${name}' has no 'log' line: what it receives goes nowhere.`);
	}
	// What is said of frontends that lack something is not about these.
	const said = new Diagnostics();
	const model = finishProxy(connections, said);
	for (const { severity, place: at, text } of said.list) if (severity === 'alert') diagnostics.alert(at, text);
	return { ...draft, connections: model, targets };
}

/** Proxies, and what sections of other kinds listen with as proxies do: whoever opens addresses looks here. */
export function listeningProxies({ proxies, logForwards }: Pick<ConfigModel, 'proxies' | 'logForwards'>): ProxyModel[] {
	return [...proxies, ...logForwards.map(({ connections }) => connections)];
}
