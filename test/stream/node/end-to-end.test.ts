import t from 'tap';
import { nodeEngine } from '../../../lib/stream/node/engine.js';
import { exchangeSuite } from '../exchange-suite.js';

exchangeSuite(t, nodeEngine, { tcp: true, pipelinedCount: 4000 });
