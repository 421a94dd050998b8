import t from 'tap';
import { nativeEngine } from '../../../lib/frontend/listener.js';
import { exchangeSuite } from '../exchange-suite.js';

exchangeSuite(t, nativeEngine, { tcp: true });
