import '@fontsource-variable/inter/index.css'
import './app.css'
import { createRoot } from 'react-dom/client'
import { watchInstall } from './lib/install'
import { showTheme } from './lib/theme'
import { startWords } from './lib/words'
import { startWorker } from './lib/worker'
import { App } from './app'

showTheme()
startWorker()
watchInstall()
void startWords().then(() => createRoot(document.getElementById('root')!).render(<App />))
