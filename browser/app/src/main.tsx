import '@fontsource-variable/inter/index.css'
import './app.css'
import { createRoot } from 'react-dom/client'
import { watchInstall } from './lib/install'
import { revoked } from './lib/leave'
import { showTheme } from './lib/theme'
import { keepNothingTyped } from './lib/unkept'
import { startWords } from './lib/words'
import { onTold, startWorker } from './lib/worker'
import { App } from './app'

showTheme()
keepNothingTyped()
startWorker()
onTold((m) => void (m.kind === 'wipe' && revoked()))
watchInstall()
void startWords().then(() => createRoot(document.getElementById('root')!).render(<App />))
