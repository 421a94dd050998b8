/** From the words of `balance` and `hash-type` to an algorithm: one line per keyword of the manual. */
import type { ProxyModel } from '../../config/model.js';
import type { StreamView } from '../../sample/types.js';
import type { BalanceAlgorithm } from './algorithm.js';
import { Consistent, MapBased } from './by-key.js';
import { First } from './first.js';
import { createKeyHash, type HashableSample } from './keys.js';
import { LeastConnections } from './leastconn.js';
import { RandomDraws } from './random.js';
import { RoundRobin } from './round-robin.js';
import { StaticRoundRobin } from './static-rr.js';

export function createAlgorithm(
	model: Pick<ProxyModel, 'balance' | 'hashType' | 'hashBalanceFactor' | 'hashAffinity'>,
	hashExpression: ((view: StreamView) => HashableSample | undefined) | undefined,
	random: (() => number) | undefined,
): BalanceAlgorithm {
	const { balance, hashType, hashBalanceFactor } = model;
	switch (balance.algorithm) {
		case 'roundrobin':
			return new RoundRobin();
		case 'static-rr':
			return new StaticRoundRobin();
		case 'leastconn':
			return new LeastConnections();
		case 'first':
			return new First();
		case 'random':
			return new RandomDraws(balance.draws, hashBalanceFactor, random);
		default: {
			const keyHash = createKeyHash(balance, hashType, hashExpression);
			if (hashType.method !== 'consistent') return new MapBased(keyHash);
			return new Consistent(keyHash, hashBalanceFactor, model.hashAffinity);
		}
	}
}

/** Whether servers may come and go, and weights change: other algorithms are built for the servers of the file. */
export function hasDynamicBalance({ balance, hashType }: Pick<ProxyModel, 'balance' | 'hashType'>): boolean {
	switch (balance.algorithm) {
		case 'roundrobin':
		case 'leastconn':
		case 'first':
		case 'random':
			return true;
		case 'static-rr':
			return false;
		default:
			return hashType.method === 'consistent';
	}
}
