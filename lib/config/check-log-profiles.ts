/** Names of `log-profile` sections that lines refer to must lead somewhere: those of `log` lines and of `do-log`. */
import { type Diagnostics, didYouMean, type Place } from '../core/diagnostics.js';
import type { ConfigModel, LogTargetModel } from './model.js';

export function checkLogProfiles(model: ConfigModel, diagnostics: Diagnostics): void {
	const names = model.logProfiles.map(({ name }) => name);
	const check = (place: Place, name: string, what: string): void => {
		if (names.includes(name)) return;
		diagnostics.alert(place, `${what} : unable to find log-profile '${name}'${didYouMean(name, names)}`);
	};
	const seen = new Set<LogTargetModel>();
	const targets = [model.global, ...model.proxies, ...model.peers].flatMap(({ logTargets }) => logTargets);
	for (const target of targets) {
		if (target.profile === undefined || seen.has(target)) continue;
		seen.add(target);
		check(target.place, target.profile, 'log');
	}
	for (const proxy of model.proxies) {
		for (const rules of [proxy, proxy.inheritedRules]) {
			if (rules === undefined) continue;
			const lines = [
				...rules.tcpRequestConnection,
				...rules.tcpRequestSession,
				...rules.tcpRequestContent,
				...rules.tcpResponseContent,
				...rules.httpRequest,
				...rules.httpResponse,
				...rules.httpAfterResponse,
			];
			for (const { place, words } of lines) {
				if (words[0] === 'do-log' && words[1] === 'profile' && words[2] !== undefined) check(place, words[2], 'do-log');
			}
		}
	}
}
