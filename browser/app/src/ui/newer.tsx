import { t } from '../lib/words'
import { takeNewer, useNewer } from '../lib/worker'

/** A newer version of the app is here. What is on the screen goes on until somebody wants it. */
export function Newer() {
  if (!useNewer()) return null
  return (
    <p role="status" className="fixed inset-x-4 bottom-[calc(76px+env(safe-area-inset-bottom))] z-30 mx-auto flex w-fit items-center gap-1 rounded-lg border border-line bg-floating ps-4 text-sm shadow-float md:bottom-6">
      {t('newer.words')}
      <button type="button" onClick={() => void takeNewer()} className="min-h-11 rounded-lg px-4 font-medium text-accent outline-none focus-visible:outline-2 focus-visible:-outline-offset-2 focus-visible:outline-accent">
        {t('newer.go')}
      </button>
    </p>
  )
}
