// What the page says, in English and Korean; the choice is kept by the browser.
const WORDS = {
  en: {
    labels: "Language",
    dub: "Dub", lips: "Lips", speak: "Speak", transcribe: "Transcribe", avatar: "Avatar",
    dubLead: "Choose a video of someone speaking, or a sound file. You see the translation first; the dub starts when you press Dub.",
    lipsLead: "Move the lips of a video or of a photo to speech that you have.",
    speakLead: "Read Korean text aloud.",
    transcribeLead: "Write down what is said in a video or sound file, or what the lips say.",
    avatarLead: "Ask a question aloud. A portrait answers in Korean.",
    road: "Kind of speech", roadText: "any speech, by way of text", roadUnits: "only what the unit models know",
    cascade: "Any speech: recognized and translated as text", pair: "{0}\u00a0→\u00a0{1}", knows: "Models: {0}, which knows only {1}", given: "Models: {0}. They do not say what they know.",
    demoKnows: "Demo models: they know only about {0} short English sentences (travel, time, weather, shopping, family), in synthetic voices",
    noModels: "No models are loaded: this NetfLips has no demo models and was started without others.",
    knownLead: "What the demo can do: an example, and sentences to try", sampleLead: "An example, dubbed by these models:",
    sentences: "Say one of these into the camera, in English:",
    video: "Video", voice: "Voice", no_voice: "the speaker's own", neutralVoice: "a neutral one", voiceOfFile: "Voice of a recording", calledVoice: "none: the one above", woman: "woman", man: "man", speech: "Own speech", image: "Photo of a face",
    no_speech: "none; a recording that runs along the video replaces the translation", ownSpeech: "Own speech", noOwnSpeech: "none; record or choose a file",
    keepSound: "Keep own speech as recorded, not in the speaker's voice", without: "Remove", voices: "Voices of the speakers", terms: "Names and terms", ownVoice: "their own", addVoice: "Another voice", noAddVoice: "record or choose speech; it is then in the lists",
    subtitles: "Subtitles or script", no_subtitles: "none; Korean subtitles are spoken, English ones replace what is heard",
    recording: "Video or sound file", question: "Question", choose: "Choose a file", drop: "or drop it here",
    needs_video: "Choose a video first.", needs_sound: "Choose or record speech first.", needs_media: "Choose a video or sound file first.", needs_image: "Choose an image first.",
    record: "Record", recordSound: "Record", stopRecording: "Stop recording", stopSound: "Stop recording", camera: "Camera", level: "Loudness", example: "Try the example", noCamera: "The camera or microphone cannot be used. Is it connected, and allowed in this browser?",
    tooLarge: "it is too large; {0} MB at most", tooLong: "it is too long; {0} minutes at most", not_video: "this is no video (mp4, mov, mkv, webm)", not_sound: "this is no sound file or video", not_media: "this is no video or sound file",
    not_image: "this is no image (jpg, png, webp)", not_subtitles: "these are no subtitles (srt, vtt, ass, smi) and no script",
    source: "Spoken language", target: "New language", mouth: "Lips", timing: "Timing", modalities: "Listen to",
    readings: "Pronunciations, one per line", background: "Background sound", auto: "automatic",
    timingSource: "every sentence in its place", timingFree: "as long as it takes", timingWhy: "A short clip may become longer or shorter than before.",
    soundAndLips: "sound and lips", soundOnly: "sound only", lipsOnly: "lips only", modalitiesWhy: "Lips help where it is noisy.",
    keepBackground: "keep", muteBackground: "mute", underBackground: "the original quietly below (voice-over)", backgroundWhy: "What is heard between the sentences.",
    more: "More options", hold: "Freeze the last frame where the new speech is too long", keepOriginal: "Keep the original sound as a second track", burnLabel: "Write \"synthetic\" into the video",
    mouthUnits: "drawn by the model", mouthMesh: "the speaker's own mouth, moved", mouthWav2lip: "Wav2Lip", mouthProgram: "your program", mouthNone: "none: the frames stay as they are", mouthWhy: "How the new lips are drawn.",
    readFirst: "Translate", readFirstWhy: "Takes about as long as the video.", dubIt: "Dub", preview: "Only the first sentence",
    lipsIt: "Move the lips", portraitIt: "Make it speak",
    lipsync: "Lips of a video", portrait: "A photo that speaks", fit: "Where lengths differ",
    fitSpeech: "as long as the speech", fitHold: "as long as the speech, last frame held", fitVideo: "as long as the video",
    motion: "Movement of the head", text: "Text", speed: "Slower (left) or faster (right)", speakIt: "Speak",
    format: "Format", plainText: "plain text", transcribeIt: "Transcribe",
    rate: "Pace of the answer", ask: "Ask", repeat: "Say it again", askAloud: "Ask aloud", askNow: "I have asked",
    theExample: "the example", seconds: "{0} s", minutes: "{0}:{1} min",
    consent: "Only use images and voices of people who agreed to it. Everything made here is marked as synthetic.",
    operator: "{0} offers this service. It works with generative AI: what it makes is labelled and signed as made by AI, so that everybody can see it.",
    agreement: "Consent", agreed: "Everybody who is seen or heard agreed that their image and voice are used for a video made with generative AI.",
    people: "Who they are (this is written into the file)", agreedUntil: "Until when they agreed (empty: no end)",
    limits: "Files up to {0} MB and {1} minutes. They are removed after {2} hours.",
    waiting: "waiting, place {0} in the queue", next: "next in the queue", running: "{0}%", left: "about {0} left", slow: "this step is slower", done: "done in {0}", failed: "failed",
    hearing: "Listening", facing: "Looking for faces", translating: "Translating", speaking: "Speaking", checking: "Hearing what is spoken", drawing: "Drawing lips", mixing: "Mixing the sound", reporting: "Writing the report", writing: "Writing the text",
    puzzled: "The question was not understood.", stopped: "stopped", stopping: "stopping…", asks: "please check the text",
    goOnAnyway: "Dub anyway", sending: "sending {0}%", looking: "checking the file…", starting: "starting…",
    stop: "Stop", goOn: "Go on", remove: "Remove", show: "Show", hide: "Hide", corrected: "corrected", questions: "It understands questions like these:", openReport: "Report", downloadAs: "Download {0}", script: "Download the script",
    dubAll: "Dub all of it", original: "Original", result: "Dub", play: "Play", theDub: "the dub", newLips: "New lips", theOriginal: "the original",
    noPlay: "This browser cannot play the original.",
    speakerN: "speaker {0}", where: "More: time, speaker", who: "Speaker", recognized: "Heard", spoken: "Translation", from: "from", to: "to",
    again: "Dub the changes", kept: "New sentences: {0}; kept: {1}.", noText: "(no text: these models cannot read it)",
    sayInstead: "Korean text instead", otherWindow: "Changed in another window, where it is: {0}", changed: "{0} changed", notify: "Tell me when it is done", alternatives: "Other translations", shorterAlternatives: "Shorter translations", longerBy: "Too long by {0} s", hearIt: "Hear it", hearSome: "Hear {0} sentences", left_alone: "left as it is",
    waysOut: "You can:", sayKnown: "Say one of these sentences", typeKorean: "Type the Korean yourself in the table below, then dub.",
    giveSpeech: "Give Korean subtitles or your own Korean speech, under \"More options\" above.", anySpeech: "Translate as any speech",
    getModels: "Get models for any speech ({0} GB, {1}; what you make may be sold), and start this page again:", copy: "Copy", copied: "Copied",
    oneIsLost: "{0} of {1} is still not understood", areLost: "{0} of {1} are still not understood", notJudged: "Not judged", sendingStopped: "The upload was stopped.",
    nobodySeen: "No face was found.", noSound: "This video has no sound. You can:", noSpeech: "No speech was found in this video. You can:",
    noFace: "No face was found: only the sound would be dubbed, the video stays as it is.", noLips: "No face was found: there are no lips to read.",
    moveLips: "Move the lips to your own speech", sayText: "Have a text read aloud", writeDown: "Write down what is said", readLips: "Read the lips",
    translateAnyway: "Translate anyway", soundAlone: "Dub the sound only", voiceFirst: "Choose a recording as Voice first: a video without sound has none to take.",
    split: "Split", join: "Join with the next", undo: "Undo", redo: "Redo", machineText: "Back to the machine's text", takes: "{0} of {1} s", findReplace: "Find and replace", find: "Find", replaceBy: "Replace with", findNext: "Next", replaceAll: "Replace all", found: "{0} found", reread: "Translate the new sentences", yourText: "Your text", no_text: "translated anew",
    keys: "Alt+Enter plays a sentence, Alt+↓ and Alt+↑ go to the next and the one before, Ctrl+Z undoes, Ctrl+Enter goes on. Hold O (Alt+O in a text) for the original. Split divides where the video stands.",
    export: "Export", editMake: "For a video editor", editZip: "Download for a video editor", editWhy: "stems, time line (OpenTimelineIO), subtitles, the sound alone",
    publishMake: "To publish", publishZip: "Download to publish", publishWhy: "video and sounds at -14 LUFS, subtitles, title, description, chapters, picture, label",
    newDub: "New dub", holdOriginal: "Hold for the original (O)", zoom: "Zoom of the time line",
    takesAbout: "about {0}", removeSure: "Really remove?", tagline: "Dub people on video",
    builtIn: "the built-in voice", builtInVoice: "one built-in voice at the speaker's pitch (these demo models cannot imitate a voice)",
    notes: "Notes ({0})", lost: "The server cannot be reached. Is it still running?",
  },
  ko: {
    labels: "언어",
    dub: "더빙", lips: "립싱크", speak: "음성 합성", transcribe: "받아쓰기", avatar: "아바타",
    dubLead: "말하는 사람이 나오는 영상이나 소리 파일을 고르세요. 번역을 먼저 보여 드리고, 확인한 뒤에 더빙합니다.",
    lipsLead: "영상이나 사진 속 입 모양을 준비한 음성에 맞춥니다.",
    speakLead: "한국어 글을 소리 내어 읽습니다.",
    transcribeLead: "영상이나 소리 파일의 말, 또는 입 모양을 글로 옮깁니다.",
    avatarLead: "영어로 소리 내어 물어보세요. 사진 속 인물이 한국어로 대답합니다.",
    road: "번역 방식", roadText: "모든 말 (텍스트로 인식해 번역)", roadUnits: "유닛 모델이 배운 문장만",
    cascade: "모든 말을 텍스트로 인식해 번역합니다", pair: "{0}\u00a0→\u00a0{1}", knows: "모델: {0} ({1}만 알아듣습니다)", given: "모델: {0}. 어떤 말을 알아듣는지에 대한 정보가 없습니다.",
    demoKnows: "데모 모델: 합성 음성으로 말한 짧은 영어 문장 약 {0}개(여행, 시간, 날씨, 쇼핑, 가족)만 알아듣습니다",
    noModels: "모델이 없습니다. 데모 모델도, 따로 지정한 모델도 찾지 못했습니다.",
    knownLead: "데모로 할 수 있는 일: 예제와 말해 볼 문장", sampleLead: "이 모델로 더빙한 예제입니다.",
    sentences: "카메라를 보고 아래 문장 가운데 하나를 영어로 말해 보세요.",
    video: "영상", voice: "목소리", no_voice: "원래 화자의 목소리", neutralVoice: "기본 목소리", voiceOfFile: "녹음한 목소리", calledVoice: "없음 (위에서 고른 목소리)", woman: "여성", man: "남성", speech: "음성", image: "얼굴 사진",
    no_speech: "없음 (영상에 맞춰 녹음한 파일이 있으면 번역 음성 대신 사용합니다)", ownSpeech: "내 음성", noOwnSpeech: "없음 (녹음하거나 파일을 고르세요)",
    keepSound: "내 음성은 변환하지 않고 그대로 사용", without: "빼기", voices: "화자의 목소리", terms: "이름과 용어", ownVoice: "원래 목소리", addVoice: "다른 목소리", noAddVoice: "녹음하거나 고르면 목록에 나타납니다",
    subtitles: "자막 또는 대본", no_subtitles: "없음 (한국어 자막은 그대로 말하고, 영어 자막은 인식 결과 대신 사용합니다)",
    recording: "영상 또는 소리 파일", question: "질문", choose: "파일 고르기", drop: "또는 여기에 끌어다 놓으세요",
    needs_video: "먼저 영상을 고르세요.", needs_sound: "먼저 음성을 고르거나 녹음하세요.", needs_media: "먼저 영상 파일이나 소리 파일을 고르세요.", needs_image: "먼저 사진을 고르세요.",
    record: "녹화하기", recordSound: "녹음하기", stopRecording: "녹화 중지", stopSound: "녹음 중지", camera: "카메라", level: "소리 크기", example: "예제로 해 보기", noCamera: "카메라나 마이크를 쓸 수 없습니다. 연결되어 있고 브라우저에서 허용했는지 확인해 주세요",
    tooLarge: "파일이 너무 큽니다. {0} MB까지 됩니다", tooLong: "너무 깁니다. {0}분까지 됩니다", not_video: "영상 파일이 아닙니다 (mp4, mov, mkv, webm)", not_sound: "소리 파일이나 영상 파일이 아닙니다", not_media: "영상 파일이나 소리 파일이 아닙니다",
    not_image: "사진 파일이 아닙니다 (jpg, png, webp)", not_subtitles: "자막(srt, vtt, ass, smi)이나 대본이 아닙니다",
    source: "말하는 언어", target: "더빙할 언어", mouth: "입 모양", timing: "길이 맞추기", modalities: "인식 방식",
    readings: "단어 읽는 법 (한 줄에 하나)", background: "배경 소리", auto: "자동",
    timingSource: "문장마다 원래 시간에", timingFree: "길이 자유", timingWhy: "짧은 영상은 원본보다 길거나 짧아질 수 있습니다.",
    soundAndLips: "소리와 입 모양", soundOnly: "소리만", lipsOnly: "입 모양만", modalitiesWhy: "시끄러운 곳에서는 입 모양이 도움이 됩니다.",
    keepBackground: "그대로 두기", muteBackground: "음소거", underBackground: "원래 목소리를 작게 깔기", backgroundWhy: "문장 사이에 들리는 소리입니다.",
    more: "다른 설정", hold: "더빙 음성이 길면 화면을 잠시 멈추기", keepOriginal: "원본 소리를 두 번째 트랙으로 남기기", burnLabel: "화면에 \"synthetic\" 표시 넣기",
    mouthUnits: "모델로 생성", mouthMesh: "원본 입 변형", mouthWav2lip: "Wav2Lip", mouthProgram: "직접 넣은 프로그램", mouthNone: "그리지 않음: 화면은 그대로", mouthWhy: "새 입 모양을 그리는 방법입니다.",
    readFirst: "번역 보기", readFirstWhy: "영상 길이만큼 걸립니다.", dubIt: "더빙하기", preview: "첫 문장만 해 보기",
    lipsIt: "입 모양 맞추기", portraitIt: "말하게 하기",
    lipsync: "영상의 입 모양", portrait: "말하는 사진", fit: "길이가 다를 때",
    fitSpeech: "음성 길이에 맞추기", fitHold: "음성 길이에 맞추고 마지막 화면 멈추기", fitVideo: "영상 길이에 맞추기",
    motion: "머리 움직임", text: "텍스트", speed: "말하기 속도", speakIt: "읽기",
    format: "형식", plainText: "텍스트만", transcribeIt: "받아쓰기",
    rate: "대답하는 빠르기", ask: "물어보기", repeat: "다시 듣기", askAloud: "소리 내어 물어보기", askNow: "질문 끝",
    theExample: "예제 사진", seconds: "{0}초", minutes: "{0}분 {1}초",
    consent: "동의한 사람의 사진과 목소리만 쓰세요. 여기서 만든 것에는 모두 합성물 표시가 들어갑니다.",
    operator: "{0}이(가) 제공하는 서비스입니다. 이 서비스는 생성형 인공지능에 기반하여 운용되며, 결과물에는 생성형 인공지능에 의하여 생성되었다는 사실을 표시하고 서명합니다.",
    agreement: "동의", agreed: "영상에 나오거나 목소리가 들리는 모든 사람이 자신의 얼굴과 목소리를 생성형 인공지능 영상에 쓰는 데 동의했습니다.",
    people: "동의한 사람 (파일에 기록됩니다)", agreedUntil: "동의 기한 (비워 두면 기한 없음)",
    limits: "파일은 {0} MB, {1}분까지 올릴 수 있고 {2}시간 뒤에 지워집니다.",
    waiting: "대기 중, {0}번째", next: "다음 차례", running: "{0}%", left: "약 {0} 남음", slow: "이 단계는 느립니다", done: "완료 ({0})", failed: "실패",
    hearing: "듣는 중", facing: "얼굴을 찾는 중", translating: "번역하는 중", speaking: "음성을 만드는 중", checking: "만든 음성을 들어 보는 중", drawing: "입 모양을 그리는 중", mixing: "소리를 맞추는 중", reporting: "보고서를 쓰는 중", writing: "번역문을 정리하는 중",
    puzzled: "질문을 알아듣지 못했습니다.", stopped: "멈춤", stopping: "멈추는 중…", asks: "번역을 확인해 주세요",
    goOnAnyway: "그래도 더빙하기", sending: "보내는 중 {0}%", looking: "파일을 확인하는 중…", starting: "시작하는 중…",
    stop: "멈추기", goOn: "이어서 하기", remove: "지우기", show: "펼치기", hide: "접기", corrected: "수정본", questions: "이런 질문을 알아듣습니다.", openReport: "보고서", downloadAs: "{0} 내려받기", script: "대본 내려받기",
    dubAll: "전체 더빙하기", original: "원본", result: "더빙", play: "재생", theDub: "더빙", newLips: "새 입 모양", theOriginal: "원본",
    noPlay: "이 브라우저는 원본을 재생할 수 없습니다.",
    speakerN: "화자 {0}", where: "더 보기: 시간·화자", who: "화자", recognized: "인식된 말", spoken: "번역", from: "시작", to: "끝",
    again: "고친 문장만 다시 더빙하기", kept: "새로 만든 문장 {0}개, 그대로 둔 문장 {1}개.", noText: "(이 모델은 글로 보여 주지 못합니다)",
    sayInstead: "대신 말할 한국어", otherWindow: "다른 창에서 바뀜. 거기서는: {0}", changed: "{0}개 고침", notify: "끝나면 알려 주기", alternatives: "다른 번역", shorterAlternatives: "더 짧은 번역", longerBy: "{0}초 깁니다", hearIt: "들어 보기", hearSome: "문장 {0}개 들어 보기", left_alone: "원본 그대로",
    waysOut: "이렇게 해 보세요.", sayKnown: "데모 문장 가운데 하나를 말하기", typeKorean: "아래 표에 한국어를 직접 입력하고 더빙하세요.",
    giveSpeech: "위의 \"다른 설정\"에서 한국어 자막이나 직접 녹음한 한국어 음성을 넣으세요.", anySpeech: "모든 말로 다시 번역하기",
    getModels: "모든 말을 번역하는 모델({0} GB, {1}, 결과물 판매 가능)을 설치하고 이 페이지를 다시 시작하세요:", copy: "복사", copied: "복사했습니다",
    oneIsLost: "{1}개 가운데 {0}개는 아직 이해하지 못했습니다", areLost: "{1}개 가운데 {0}개는 아직 이해하지 못했습니다", notJudged: "판단할 수 없습니다", sendingStopped: "업로드를 중지했습니다.",
    nobodySeen: "얼굴을 찾지 못했습니다.", noSound: "소리가 없는 영상입니다. 이렇게 해 보세요.", noSpeech: "이 영상에서 말소리를 찾지 못했습니다. 이렇게 해 보세요.",
    noFace: "얼굴을 찾지 못했습니다. 화면은 그대로 두고 소리만 더빙합니다.", noLips: "얼굴을 찾지 못해 입 모양을 읽을 수 없습니다.",
    moveLips: "내 음성에 입 모양 맞추기", sayText: "텍스트를 음성으로 만들기", writeDown: "받아쓰기", readLips: "입 모양 읽기",
    translateAnyway: "그래도 번역하기", soundAlone: "소리만 더빙하기", voiceFirst: "먼저 \"목소리\"에 녹음을 고르세요. 소리가 없는 영상에서는 목소리를 가져올 수 없습니다.",
    split: "나누기", join: "다음 문장과 합치기", undo: "실행 취소", redo: "다시 실행", machineText: "기계 번역으로 되돌리기", takes: "{0} / {1}초", findReplace: "찾아 바꾸기", find: "찾을 말", replaceBy: "바꿀 말", findNext: "다음", replaceAll: "모두 바꾸기", found: "{0}개 찾음", reread: "새 문장 번역하기", yourText: "직접 쓴 문장", no_text: "새로 번역",
    keys: "Alt+Enter 재생, Alt+↓/↑ 다음·이전 문장, Ctrl+Z 실행 취소, Ctrl+Enter 진행. O(글상자에서는 Alt+O)를 누르고 있으면 원본이 나옵니다. 나누기는 영상이 멈춘 곳에서 문장을 나눕니다.",
    export: "내보내기", editMake: "영상 편집기용", editZip: "영상 편집기용 내려받기", editWhy: "소리 묶음(음성·배경·전체), 타임라인(OpenTimelineIO), 자막",
    publishMake: "게시용", publishZip: "게시용 내려받기", publishWhy: "-14 LUFS 영상과 소리, 자막, 제목, 설명, 챕터, 그림, AI 표시",
    newDub: "새 더빙", holdOriginal: "누르는 동안 원본 (O)", zoom: "타임라인 확대",
    takesAbout: "약 {0}", removeSure: "정말 지울까요?", tagline: "영상 속 말을 더빙합니다",
    builtIn: "내장 음성", builtInVoice: "내장 음성 하나를 화자의 높낮이에 맞춤 (데모 모델은 목소리를 흉내 내지 못합니다)",
    notes: "알림 {0}개", lost: "서버에 연결할 수 없습니다. 서버가 켜져 있는지 확인해 주세요.",
  },
};

// What the browser keeps for this page; nothing where its storage is switched off, and null takes it away.
export const recall = (name) => {
  try {
    return localStorage.getItem(`netflips-${name}`);
  } catch {
    return null;
  }
};
export const recalled = (begin) => {
  try {
    const names = Object.keys(localStorage).map((name) => name.replace(/^netflips-/, ""));
    return names.filter((name) => name.startsWith(begin));
  } catch {
    return [];
  }
};
export const keep = (name, text) => {
  try {
    if (text === null) localStorage.removeItem(`netflips-${name}`);
    else localStorage.setItem(`netflips-${name}`, text);
  } catch {
    // it is there for this visit
  }
};
let chosen = recall("labels") ?? (navigator.language.startsWith("ko") ? "ko" : "en");
if (!(chosen in WORDS)) chosen = "en";

export const language = () => chosen;

export const t = (key, ...values) =>
  (WORDS[chosen][key] ?? key).replace(/\{(\d)\}/g, (_, place) => String(values[Number(place)]));

export const choose = (name) => {
  chosen = name;
  keep("labels", name);
};

// Words of a part of the page; data-named: keys of a name for those who do not see it.
export const translate = (root) => {
  for (const one of root.querySelectorAll("[data-t]")) one.textContent = t(one.dataset.t);
  for (const one of root.querySelectorAll("[data-named]")) one.setAttribute("aria-label", one.dataset.named.split(" ").map((key) => t(key)).join(": "));
};

// What a number of seconds is called: 5 s, 2:05 min, 2분 05초.
export const duration = (seconds) => {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return t("seconds", whole);
  return t("minutes", Math.floor(whole / 60), String(whole % 60).padStart(2, "0"));
};
