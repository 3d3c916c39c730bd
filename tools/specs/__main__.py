from tools.specs import main

main()
